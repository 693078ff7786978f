"""Fetches a Vision Transformer checkpoint of the size you name.

    from learngenes_client import Client

    with Client("http://127.0.0.1:8000") as client:
        model = client.fetch_model(depth=9, width=384)
    network = model.to_timm()

Importing this package imports neither httpx nor torch.
"""

from learngenes_client.async_client import AsyncClient
from learngenes_client.client import Client
from learngenes_client.errors import (
    BadAnswer,
    CantBuild,
    ClientError,
    DescendantNotFound,
    Dropped,
    Forbidden,
    IntegrityError,
    InvalidArgument,
    InvalidRequest,
    JobEnded,
    JobNotFound,
    LearngeneNotFound,
    MissingPackage,
    NeedsLearning,
    NetworkError,
    NotFound,
    NotInTimm,
    NotInTransformers,
    Offline,
    OnnxDiffers,
    ServiceError,
    ServiceUnavailable,
    Stalled,
    TooManyRequests,
    Unanswered,
    Unauthorized,
    UnknownName,
    Unreachable,
    UnsupportedSize,
    Yanked,
)
from learngenes_client.jobs import Event, Job
from learngenes_client.model import Model
from learngenes_client.models import (
    Catalog,
    Document,
    Learngene,
    Method,
    RemoteFile,
    Steps,
)
from learngenes_client.ranking import Candidate, Estimate, Exclusion, Ranking

__all__ = [
    "AsyncClient",
    "BadAnswer",
    "Candidate",
    "CantBuild",
    "Catalog",
    "Client",
    "ClientError",
    "DescendantNotFound",
    "Document",
    "Dropped",
    "Estimate",
    "Event",
    "Exclusion",
    "Forbidden",
    "IntegrityError",
    "InvalidArgument",
    "InvalidRequest",
    "Job",
    "JobEnded",
    "JobNotFound",
    "Learngene",
    "LearngeneNotFound",
    "Method",
    "MissingPackage",
    "Model",
    "NeedsLearning",
    "NetworkError",
    "NotFound",
    "NotInTimm",
    "NotInTransformers",
    "Offline",
    "OnnxDiffers",
    "Ranking",
    "RemoteFile",
    "ServiceError",
    "ServiceUnavailable",
    "Stalled",
    "Steps",
    "TooManyRequests",
    "Unanswered",
    "Unauthorized",
    "UnknownName",
    "Unreachable",
    "UnsupportedSize",
    "Yanked",
]
