"""How the rules' verdict and the model's opinion become one decision."""

from __future__ import annotations

from triage_rules.level import Decider, Level, Opinion
from triage_rules.outcome import Decision, FallbackReason, Method, Verdict


def combine(
    verdict: Verdict, opinion: Opinion, decider: Decider, *, kill_switch: bool = False
) -> Decision:
    """Return the decision for one patient; it is never below the verdict's floor.

    In the order taken:

    1. Kill switch on: the rules decide, and the answer says so.
    2. The rules decide: their level.
    3. The model's turn, but it abstains: the rules' level, with the model's reason.
    4. The model's turn, but its top probability is below the threshold: the more urgent of both,
       and a person must look.
    5. The model's turn and it is sure: the model's level.

    Then the floor: the answer is the more urgent of that base and ``verdict.floor``.

    Parameters
    ----------
    verdict
        What the rules say.
    opinion
        What the model says, or why it abstains.
    decider
        Whose turn it is for this patient.
    kill_switch
        Whether the model has been switched off for everybody.

    Returns
    -------
    Decision
    """
    base, reason = _base(verdict, opinion, decider, kill_switch=kill_switch)
    model_is_base = decider is Decider.ML and not kill_switch and opinion.level == base
    return Decision(
        level=max(base, verdict.floor),
        method=_method(verdict, base, model_is_base=model_is_base),
        fallback_reason=reason,
        needs_human=verdict.needs_human or reason is FallbackReason.LOW_CONFIDENCE,
        verdict=verdict,
        opinion=opinion,
    )


def _base(
    verdict: Verdict, opinion: Opinion, decider: Decider, *, kill_switch: bool
) -> tuple[Level, FallbackReason | None]:
    if kill_switch:
        return verdict.level, FallbackReason.KILL_SWITCH
    if decider is Decider.RULES:
        return verdict.level, None
    if opinion.level is None:
        return verdict.level, FallbackReason(str(opinion.abstained))
    if not opinion.is_confident:
        return max(verdict.level, opinion.level), FallbackReason.LOW_CONFIDENCE
    return opinion.level, None


def _method(verdict: Verdict, base: Level, *, model_is_base: bool) -> Method:
    if any(flag.is_hard for flag in verdict.red_flags):
        return Method.RED_FLAG
    if verdict.floor > base:
        return Method.RULE_FLOOR
    return Method.ML if model_is_base else Method.RULES
