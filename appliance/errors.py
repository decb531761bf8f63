"""What a script has to catch: everything that is raised for what a user has given."""

from appliance.delivery.store import OutboxError
from appliance.delivery.transports.transport import InvalidConnection
from appliance.engine.errors import WorkflowError
from appliance.sources import SettingsError
from appliance.video.errors import VideoError
from blocks.loading import LoadingError

ERRORS: tuple[type[Exception], ...] = (
    InvalidConnection,
    LoadingError,
    OutboxError,
    SettingsError,
    VideoError,
    WorkflowError,
)
"""For `except`: each says in a sentence what is wrong, where, and what to do.

WorkflowError is the root of DefinitionError, InputError, StepError and RunError.
"""
