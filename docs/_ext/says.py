"""Directives that print voicepipe's own facts: its `--help`, its settings, and which names are public.

    .. help::          every command's help, each with a heading
    .. settings::      every setting with its variable, its default and what it means
    .. events::        every event, in the order of the source and below its headings
    .. invariants::    what holds in every scenario

The role `code-or-link`, which is what single backticks mean in a docstring, links the public names.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

from voicepipe.installation.installation import install_command

PUBLIC = ("voicepipe.testing", "voicepipe.rx", "voicepipe", "voicepipe.events", "voicepipe.operators")
"""Whose names are links; the later ones win."""


# ---- help ------------------------------------------------------------------------------------------------------------


@cache
def said(*arguments: str) -> str:
    """The output of `voicepipe …`."""
    env = {**os.environ, "COLUMNS": "92", "NO_COLOR": "1", "PYTHON_COLORS": "0"}
    # The paths of the machine that builds the page are of no use elsewhere.
    code = "from voicepipe import cli; cli.options.this_program = lambda: 'voicepipe'; cli.main()"
    done = subprocess.run([sys.executable, "-c", code, *arguments], env=env, capture_output=True, text=True, check=True)
    text = done.stdout
    for extra in ("embedded", "mic", "redis"):
        text = text.replace(install_command(extra), f"pip install '.[{extra}]'")
    return text


def commands() -> list[str]:
    """The commands that `voicepipe --help` lists."""
    listed = said("--help").partition("\ncommands:")[2].partition("\nexamples:")[0]
    return re.findall(r"^    ([a-z][a-z-]*)\b", listed, re.MULTILINE)


class HelpDirective(SphinxDirective):
    """The help of voicepipe, and of each of its commands below a heading of its own."""

    def run(self) -> list[nodes.Node]:
        return [_console(said("--help")), *map(self._section, commands())]

    def _section(self, command: str) -> nodes.Node:
        title = nodes.title("", "", nodes.literal("", f"voicepipe {command}"))
        section = nodes.section("", title, _console(said(command, "--help")), ids=[f"voicepipe-{command}"])
        section["names"] = [f"voicepipe {command}"]
        self.state.document.note_explicit_target(section)
        return section


def _console(text: str) -> nodes.Node:
    return nodes.literal_block(text.rstrip(), text.rstrip(), language="text", classes=["help"])


# ---- settings --------------------------------------------------------------------------------------------------------


class SettingsDirective(SphinxDirective):
    """A definition list of all settings, in the order in which they are written."""

    def run(self) -> list[nodes.Node]:
        text = StringList(list(self._lines()), source="voicepipe.settings")
        node = nodes.Element()
        self.state.nested_parse(text, self.content_offset, node)
        return node.children

    def _lines(self) -> Iterator[str]:
        from voicepipe.cli.settings import meanings_of
        from voicepipe.settings import ALIASES, PREFIX, Settings, flags_of, is_secret

        aliases = {field: name for name, field in ALIASES.items()}
        meanings = meanings_of(Settings)
        yield from (".. list-table::", "   :header-rows: 1", "   :widths: 34 66", "   :class: settings", "")
        yield from ("   * - setting", "     - meaning")
        for name, field in Settings.model_fields.items():
            also = f"\n\n       ``{aliases[name]}``" if name in aliases else ""
            default = _shown(field.get_default(call_default_factory=True))
            yield f"   * - ``{name}``"
            yield ""
            yield f"       ``{PREFIX}{name.upper()}``"
            if not is_secret(name):
                yield from ("", "       " + " ".join(f"``{flag}``" for flag in flags_of(name)))
            yield from also.splitlines()
            yield f"     - Default: {default}"
            yield ""
            yield f"       {meanings.get(name, '')}"


def _shown(value: Any) -> str:
    if value in (None, {}, ()):
        return "none."
    if hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    if isinstance(value, tuple):
        return ", ".join(f"``{one}``" for one in value) + "."
    return f"``{json.dumps(value) if isinstance(value, bool) else value}``."


# ---- events ----------------------------------------------------------------------------------------------------------


class EventsDirective(SphinxDirective):
    """The vocabulary: what stands in the modules of `voicepipe.events`, each below a rubric that is its docstring's."""

    MODULES = (
        "events.base",
        "events.sound",
        "events.client",
        "events.heard",
        "events.reply",
        "events.unasked",
        "conversation.character",
        "conversation.functions",
        "events.functions",
        "events.session",
    )

    def run(self) -> list[nodes.Node]:
        node = nodes.Element()
        lines = [line for name in self.MODULES for line in _classes(f"voicepipe.{name}")]
        self.state.nested_parse(StringList(lines, source="voicepipe.events"), self.content_offset, node)
        return node.children


def _classes(name: str) -> Iterator[str]:
    """Directives of a module's events, in the order of its source, by the names by which they are imported."""
    module, events = importlib.import_module(name), importlib.import_module("voicepipe.events")
    yield from ("", f".. rubric:: {re.split('[:.]', module.__doc__ or '')[0]}", "")
    for line in inspect.getsource(module).splitlines():
        if heading := re.fullmatch(r"# -+ (.+?) -+", line):
            yield from ("", f".. rubric:: {heading[1].capitalize()}", "")
        elif found := re.match(r"class (\w+)|(\w+): TypeAlias", line):
            thing = found[1] or found[2]
            kind, options = ("autoclass", ["   :members:"]) if found[1] else ("autodata", ["   :no-value:"])
            if thing in module.__all__ and thing in events.__all__:
                yield from ("", f".. {kind}:: voicepipe.events.{thing}", *options, "")


# ---- invariants ------------------------------------------------------------------------------------------------------


class InvariantsDirective(SphinxDirective):
    """A list of their names, which are sentences."""

    def run(self) -> list[nodes.Node]:
        from voicepipe.testing.invariants.all import INVARIANTS

        return [nodes.bullet_list("", *(nodes.list_item("", nodes.paragraph(text=name)) for name in INVARIANTS))]


# ---- names -----------------------------------------------------------------------------------------------------------


@cache
def public() -> dict[str, str]:
    """The place of each public name in the documentation. Lower-case names of the test kit (`find`, `parse`) are left
    out: they occur everywhere."""
    names: dict[str, str] = {}
    for module in PUBLIC:
        for name in importlib.import_module(module).__all__:
            if name[:1].isupper() or not module.endswith(".testing"):
                names[name] = f"{module}.{name}"
    return names


class CodeOrLink(SphinxRole):
    """Code, and where it is the name of something public, a link to it."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        code = nodes.literal(self.rawtext, self.text, classes=["code"])
        target = public().get(self.text)
        if target is None:
            return [code], []
        code["classes"].append("xref")
        return [
            pending_xref(
                "", code, refdomain="py", reftype="obj", reftarget=target, refdoc=self.env.docname, refexplicit=True
            )
        ], []


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("help", HelpDirective)
    app.add_directive("settings", SettingsDirective)
    app.add_directive("events", EventsDirective)
    app.add_directive("invariants", InvariantsDirective)
    app.add_role("code-or-link", CodeOrLink())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
