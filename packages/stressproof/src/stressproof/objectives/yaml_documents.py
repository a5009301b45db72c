"""YAML as it is read here: bounded, without aliases and without duplicate keys."""

from typing import Any

from stressproof.errors import UsageError

MAX_BYTES = 256 * 1024


def read_documents(data: bytes) -> list[Any]:
    """Return the documents of a YAML file.

    Raises:
        UsageError: It is not YAML, too large, or PyYAML is not installed.
    """
    if len(data) > MAX_BYTES:
        raise UsageError(f"a YAML file has at most {MAX_BYTES} bytes, this one {len(data)}")
    try:
        import yaml  # type: ignore[import-untyped]  # noqa: PLC0415  # 20 ms for YAML files alone
    except ModuleNotFoundError as error:
        raise UsageError(
            "YAML files need PyYAML, which is not installed",
            hint="pip install 'stressproof[yaml]'",
        ) from error

    class Strict(yaml.SafeLoader):  # type: ignore[misc]  # untyped
        """YAML without aliases, which can grow without bound, and without duplicate keys."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                event = self.peek_event()
                raise yaml.constructor.ConstructorError(
                    None, None, "aliases are not read", event.start_mark
                )
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002  # yaml's
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            known: set[str] = set()
            for key in keys:
                if not isinstance(key, str) or key in known:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key!r} is no text or given twice", node.start_mark
                    )
                known.add(key)
            return super().construct_mapping(node, deep=deep)

    try:
        return list(yaml.load_all(data, Loader=Strict))  # Strict is a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise UsageError(f"the file is not YAML as it is read here: {error}") from error
