"""Answers of the API, as tests need them."""

from __future__ import annotations

from typing import Any

JOB = "01900000-0000-7000-8000-00000000000a"
GROUP = "01900000-0000-7000-8000-00000000000b"
PROJECT = "01900000-0000-7000-8000-00000000000c"


def job(**changes: Any) -> dict[str, Any]:
    """A job as the API gives it."""
    counts = {"total": 4, "done": 0, "failed": 0, "skipped": 0} | changes.pop("items", {})
    return {
        "id": JOB,
        "project_id": PROJECT,
        "kind": "personas",
        "state": "running",
        "version": 1,
        "subject_id": None,
        "seed": 7,
        "simulated": True,
        "items": counts,
        "spend": {"spent_micros": 12_345, "reserved_micros": 0, "budget_micros": None},
        "stop_reason": None,
        "reasons": [],
        "created_at": "2026-01-02T03:04:05+00:00",
        "started_at": None,
        "finished_at": None,
        "deadline_at": "2026-01-02T04:04:05+00:00",
        **changes,
    }


def deviation(**changes: Any) -> dict[str, Any]:
    """How far produced counts are from their targets."""
    return {
        "max_seats": 0.4,
        "total_variation": 0.01,
        "jensen_shannon": 0.02,
        "chi_square": 0.1,
        "degrees_of_freedom": 1,
        "p_value": 0.99,
        **changes,
    }


def fit(**changes: Any) -> dict[str, Any]:
    """A fit report with one dimension."""
    labels = [
        {"label": "Kobieta", "target_share": 0.52, "target_seats": 10.4, "produced": 10, "produced_share": 0.5},
        {"label": "Mężczyzna", "target_share": 0.48, "target_seats": 9.6, "produced": 10, "produced_share": 0.5},
    ]
    dimension = {
        "dimension": "gender",
        "labels": labels,
        "missing": 0,
        "deviation": deviation(),
        "within_one_seat": True,
    }
    overall = {
        "size": 20,
        "deviation": deviation(),
        "within_one_seat": True,
        "cross_tabs_within_one_seat": None,
    }
    return {"dimensions": [dimension], "cross_tabs": [], "overall": overall | changes, "notes": []}


def panel(**changes: Any) -> dict[str, Any]:
    """A panel report without a review."""
    return {
        "job_id": JOB,
        "project_id": PROJECT,
        "audience": "Poland adults",
        "language": "pl",
        "size": 20,
        "seed": 7,
        "simulated": True,
        "personas": 20,
        "fit": fit(),
        "review": None,
        **changes,
    }


def persona(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A persona."""
    return {
        "id": f"01900000-0000-7000-8000-1{number:011d}",
        "project_id": PROJECT,
        "job_id": JOB,
        "position": number,
        "name": "Żaneta Łoś",
        "headline": "Nurse who cycles to work",
        "language": "en",
        "demographics": {"gender": "Kobieta", "age": "25-34"},
        "profile": {
            "name": "Żaneta Łoś",
            "headline": "Nurse who cycles to work",
            "age_years": 31,
            "occupation": "nurse",
            "story": "She works nights in a hospital in Łódź.",
            "values": ["family", "health", "calm"],
            "interests": ["cycling", "films", "cooking"],
            "communication_style": "short and dry",
            "decision_style": "compares prices first",
            "concerns": ["rent", "sleep"],
            "needs": ["time", "quiet"],
            "pains": ["night shifts", "queues"],
        },
        "traits": {
            "openness": 55.0,
            "conscientiousness": 61.0,
            "extraversion": 40.0,
            "agreeableness": 52.0,
            "neuroticism": 47.0,
        },
        "quality": {
            "score": 87.5,
            "parts": {"detail": {"score": 90.0, "weight": 0.5, "findings": ["the story is short"]}},
        },
        "duplicate_of": None,
        "model": "simulated",
        "prompt_hash": "abc",
        "simulated": True,
        "created_at": "2026-01-02T03:04:05+00:00",
        **changes,
    }


def entry(person: int = 0, question: int = 0, **changes: Any) -> dict[str, Any]:
    """A place in a transcript with its answer; `answer=None` and a gap make one without."""
    who = persona(person)
    answer = {
        "id": f"01900000-0000-7000-8000-2{person:05d}{question:06d}",
        "text": "I would buy it if it cost less.",
        "stance": "mixed",
        "sentiment": -0.25,
        "themes": ["price", "taste"],
        "confidence": 0.8,
        "heard": None,
        "model": "simulated",
        "simulated": True,
    }
    return {
        "question_id": f"01900000-0000-7000-8000-3{question:011d}",
        "question_position": question,
        "persona_id": who["id"],
        "persona_position": person,
        "persona_name": who["name"],
        "state": "answered",
        "answer": answer,
        "gap": None,
        **changes,
    }


def figures(mean: float | None = 0.25) -> dict[str, Any]:
    """Sentiment figures."""
    return {"answers": 20, "personas": 20, "mean": mean, "deviation": 0.3, "small": False}


def evidence(quotes: int = 3) -> list[dict[str, Any]]:
    """Quotes of answers."""
    return [
        {
            "answer_id": entry()["answer"]["id"],
            "persona_id": persona()["id"],
            "persona_name": "Żaneta Łoś",
            "question": 1,
            "quote": f"quote {number}",
        }
        for number in range(quotes)
    ]


def summary(**changes: Any) -> dict[str, Any]:
    """A summary with something in each section."""
    report = {
        "version": 1,
        "language": "en",
        "coverage": {
            "answers_asked": 80,
            "answers_given": 78,
            "answers_read": 78,
            "personas": 20,
            "portions": 1,
            "missing": [],
            "unthemed": 3,
        },
        "executive_summary": [{"statement": "Price decides.", "evidence": evidence()}],
        "themes": [
            {
                "name": "price",
                "description": "What it costs beside milk.",
                "answers": 12,
                "personas": 9,
                "sentiment": figures(-0.4),
                "segments": [],
                "phrases": ["price"],
                "evidence": evidence(1),
            }
        ],
        "sentiment": {
            "overall": figures(),
            "distribution": {},
            "by_question": [{"question": 0, "text": "What do you drink?", "figures": figures(None), "stances": {}}],
            "by_segment": [{"dimension": "gender", "label": "Kobieta", "figures": figures(), "distribution": {}}],
            "cells": [],
        },
        "surprising": [{"statement": "Men like it more.", "expectation": "the opposite", "evidence": evidence(1)}],
        "disagreements": [
            {
                "about": "Whether it is milk",
                "sides": [
                    {"position": "It is.", "evidence": evidence(1)},
                    {"position": "It is not.", "evidence": evidence(1)},
                ],
            }
        ],
        "recommendations": [{"action": "Lower the price.", "reason": "It decides.", "evidence": evidence(1)}],
        "rejected": [{"section": "themes", "fault": "quote_not_found", "count": 2}],
    }
    return {
        "focus_group_id": GROUP,
        "state": "completed",
        "reason": None,
        "job_id": JOB,
        "report": report,
        "report_job_id": JOB,
        "model": "simulated",
        "prompt_hash": "abc",
        "simulated": True,
        "created_at": "2026-01-02T03:04:05+00:00",
        **changes,
    }


def estimate(**changes: Any) -> dict[str, Any]:
    """What a job is expected to take."""
    return {
        "calls": 40,
        "input_tokens": {"p50": 1_000, "p90": 2_000},
        "output_tokens": {"p50": 100, "p90": 200},
        "cost_micros": {"p50": 20_000, "p90": 40_000},
        "seconds": {"p50": 2.0, "p90": 3.5},
        "basis": "history",
        "model": "gemini-2.5-flash",
        "simulated": False,
        "price_date": "2025-06-17",
        "purposes": [],
        **changes,
    }
