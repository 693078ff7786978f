"""`python -m learngenes_client` is `learngenes-client`."""

import sys

from learngenes_client.cli import main

if __name__ == "__main__":
    sys.exit(main())
