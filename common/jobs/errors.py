"""What can be wrong with a job."""

from __future__ import annotations

from common.errors import Conflict, NotFound, Unavailable


class JobNotFound(NotFound):
    """No such job in this workspace."""

    code = "job_not_found"


class ItemNotFound(NotFound):
    """No such item in this workspace."""

    code = "item_not_found"


class IdempotencyKeyReused(Conflict):
    """The idempotency key was used before with another request."""

    code = "idempotency_key_reused"


class JobNotOpen(Conflict):
    """The job has already ended."""

    code = "job_not_open"


class NothingToRetry(Conflict):
    """The job is still running, or nothing of it failed."""

    code = "nothing_to_retry"


class ItemBusy(Unavailable):
    """Another worker holds the item, or others hold the money for it."""

    code = "item_busy"
    not_yet = True


class OverBudget(Conflict):
    """The job cannot pay for another item."""

    code = "over_budget"
