"""Every kind of evidence, in the order in which they are judged and told."""

from typing import Any

from stressproof.evidence.reading import Document
from stressproof.verify.failure.verifier import FAILURE
from stressproof.verify.kind import EvidenceKind, Unread
from stressproof.verify.stress.verifier import STRESS

KINDS: tuple[EvidenceKind[Any], ...] = (STRESS, FAILURE)


def kind_of(document: Document | Unread) -> EvidenceKind[Any]:
    """Return what a document is: scenarios make it failure evidence, anything else is stress.

    Nothing is gained by looking like the other kind: each kind's rules demand its own profile.
    """
    held = isinstance(document, Document) and "scenarios" in document.data
    return FAILURE if held else STRESS
