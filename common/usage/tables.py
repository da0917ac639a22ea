"""One row per LLM call: tokens, cost and latency."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base, CreatedAt, WorkspaceId


class LlmCall(Base):
    """A call to a provider, or the reply kept from one (`cache_hit`).

    `outcome` is `ok`, the code of the error, or `lost` where a worker died with a call under way:
    its cost is then the amount that was reserved for it. A call that was sent and not answered has the most
    that it may have cost, and no tokens. `cost_micros` is in millionths of a US dollar.
    """

    __tablename__ = "llm_calls"
    __table_args__ = (Index(None, "workspace_id", "created_at"), Index(None, "job_id"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    workspace_id: Mapped[WorkspaceId]
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    item_id: Mapped[UUID]
    purpose: Mapped[str] = mapped_column(Text)
    provider: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text)
    prompt_hash: Mapped[str] = mapped_column(Text)
    input_tokens: Mapped[int]
    output_tokens: Mapped[int]
    cached_tokens: Mapped[int]
    cost_micros: Mapped[int] = mapped_column(BigInteger)
    latency_ms: Mapped[int]
    cache_hit: Mapped[bool]
    simulated: Mapped[bool]
    outcome: Mapped[str] = mapped_column(Text)
    created_at: Mapped[CreatedAt]
