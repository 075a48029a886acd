"""Spans of time that touch or overlap, as one."""

from collections.abc import Iterable

from tradeready_gym.market.splits import Span


def join_spans(spans: Iterable[Span]) -> list[Span]:
    """Return the spans' union as disjoint spans in order of time; spans that adjoin become one."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined


def missing_spans(wanted: Span, covered: Iterable[Span]) -> list[Span]:
    """Return what `covered` leaves open of `wanted`, in order of time."""
    missing = []
    at = wanted.start
    for span in join_spans(covered):
        if span.end <= at or span.start >= wanted.end:
            continue
        if span.start > at:
            missing.append(Span(at, span.start))
        at = span.end
    if at < wanted.end:
        missing.append(Span(at, wanted.end))
    return missing


def describe_spans(spans: Iterable[Span]) -> str:
    """Return spans in words."""
    return ", ".join(map(str, spans)) or "nothing"
