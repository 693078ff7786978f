"""The commands of the command line, one module each: `arguments` adds its words, `run` runs it, its help is run's."""
