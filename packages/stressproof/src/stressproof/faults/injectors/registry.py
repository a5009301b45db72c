"""tmp"""

from typing import Any

from stressproof.failures.spec import FaultSpec
from stressproof.faults.injector import Injector


def injector(fault: FaultSpec, testbed: Any, load: Any) -> Injector:
    """Tmp"""
    raise NotImplementedError
