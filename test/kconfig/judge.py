"""Answers, case by case, what kconfiglib makes of Kconfig files and .config texts: one JSON document a line, both ways."""

import json
import os
import sys
import tempfile

import kconfiglib
from kconfiglib import Choice, Kconfig, KconfigError, Symbol


class Ordered(dict):
    """A set that goes by the order in which its items came."""

    def add(self, item):
        self[item] = None


# Which circles through choices it finds hangs on the order of its sets, and that on where objects lie in memory.
kconfiglib.set = Ordered


def shape(node, depth=0):
    """The menu tree as it is shown: depth and what stands there."""
    found = []
    child = node.list
    while child:
        item = child.item
        if isinstance(item, Symbol):
            name = item.name
        elif isinstance(item, Choice):
            name = "choice"
        else:
            name = "menu" if item == kconfiglib.MENU else "comment"
        found.append("%d %s" % (depth, name))
        found += shape(child, depth + 1)
        child = child.next
    return found


def text_of(write, folder):
    path = os.path.join(folder, "out")
    if os.path.exists(path):
        os.remove(path)
    write(path)
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def answer(case, folder):
    os.environ["srctree"] = folder
    for name, text in case["files"].items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    kconf = Kconfig("Kconfig", warn=False)
    outcomes = []
    for config in case["configs"]:
        path = os.path.join(folder, ".config")
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(config)
        # Anew each time: what a configuration comes to must not hang on those before it.
        kconf = Kconfig("Kconfig", warn=False)
        kconf.load_config(path)
        outcomes.append(
            {
                "values": {sym.name: sym.str_value for sym in kconf.unique_defined_syms},
                "visibility": {sym.name: sym.visibility for sym in kconf.unique_defined_syms},
                "assignable": {
                    sym.name: ["nmy"[value] for value in sym.assignable] for sym in kconf.unique_defined_syms
                },
                "selections": [choice.selection.name if choice.selection else None for choice in kconf.unique_choices],
                "missing": [name for name, _ in kconf.missing_syms],
                "config": text_of(lambda out: kconf.write_config(out, save_old=False), folder),
                "minimal": text_of(kconf.write_min_config, folder),
            }
        )
    return {"shape": shape(kconf.top_node), "outcomes": outcomes}


def answer_or_error(case, folder):
    try:
        return answer(case, folder)
    except KconfigError as error:
        return {"error": str(error)}
    except RecursionError:
        # A circle through a choice that it does not look for.
        return {"error": "recursion"}


for line in sys.stdin:
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(answer_or_error(json.loads(line), folder)), flush=True)
