"""A file of secrets: names and texts, one a line."""

import yaml

from appliance.engine.errors import DefinitionError, Mark
from appliance.engine.syntax import PLAIN, YAML_TAG, Lines, compose

_TEXTS = frozenset({PLAIN, f"{YAML_TAG}str"})


def read_secrets(text: str, path: str) -> dict[str, str]:
    """The secrets of a text that is called `path` in messages, each exactly as it is written.

    Numbers stay texts: 0123 is a fine PIN. Nothing is looked up in them: ${ is a fine password.

    Raises:
        LookupError: it cannot be read; the sentence says where and why, and shows nothing of it.
    """
    try:
        node, lines = compose(text, path)
    except DefinitionError as error:
        # What libyaml says of a line may quote it.
        what = "this is not YAML: write NAME: TEXT on each line, and the text in quotes"
        raise LookupError(_at(error.problems[0].mark, what)) from None
    found: dict[str, str] = {}
    for key, value in _pairs(node, lines):
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        if not isinstance(value, yaml.ScalarNode) or value.tag not in _TEXTS or not value.value:
            mark = lines.mark(value.start_mark)
            raise LookupError(_at(mark, "a secret is a text: write it in quotes"))
        if not name or name in found:
            what = "this name stands there twice" if name else "a secret has a name"
            raise LookupError(_at(lines.mark(key.start_mark), what))
        found[name] = value.value
    return found


def _pairs(node: yaml.Node, lines: Lines) -> list[tuple[yaml.Node, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        return list(node.value)
    raise LookupError(_at(lines.mark(node.start_mark), "write NAME: TEXT on each line"))


def _at(mark: Mark, what: str) -> str:
    return f"{mark}: {what}"
