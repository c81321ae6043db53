"""Says in what two texts differ to PyYAML: python3 differ.py; reads jobs from stdin, one JSON line each, and answers each.

{"before"} gives the text that the next jobs start from; {"start", "end", "new"} are bytes of it and what stands there
instead. The answer to the second is {"differ": [[path, tag before, text before, tag after, text after]]} or {"unread"}.
"""

import json
import sys

import yaml

BASE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(text):
    loader = BASE(text)
    try:
        found = []
        while loader.check_node():
            found.append(loader.get_node())
        return found
    finally:
        loader.dispose()


def differ(before, after, path, found, seen):
    if len(found) > 20 or (id(before), id(after)) in seen:
        return
    seen.add((id(before), id(after)))
    if isinstance(before, yaml.ScalarNode) and isinstance(after, yaml.ScalarNode):
        if (before.tag, before.value) != (after.tag, after.value):
            found.append([path, before.tag, before.value, after.tag, after.value])
        return
    pairs = lambda node: [one for pair in node.value for one in pair] if isinstance(node, yaml.MappingNode) else node.value
    alike = before.id == after.id and before.tag == after.tag and before.id != "scalar"
    if alike and isinstance(after, yaml.MappingNode) and len(after.value) == len(before.value) + 1:
        # One key more: what else is there must be in the same order.
        keys = [key.value for key, _ in before.value]
        number = next((n for n, (key, _) in enumerate(after.value) if n >= len(keys) or key.value != keys[n]), None)
        key, value = after.value[number]
        found.append([f"{path}/{key.value}", "absent", "", value.tag, value.value if value.id == "scalar" else value.id])
        rest = after.value[:number] + after.value[number + 1 :]
        for (one, two), (three, four) in zip(before.value, rest):
            differ(one, three, f"{path}/{one.value}", found, seen)
            differ(two, four, f"{path}/{one.value}", found, seen)
    elif not alike or len(before.value) != len(after.value):
        found.append([path, before.id, "", after.id, ""])
    else:
        for number, (one, two) in enumerate(zip(pairs(before), pairs(after))):
            differ(one, two, f"{path}/{number}", found, seen)


def main():
    text, before = b"", None
    for line in sys.stdin:
        job = json.loads(line)
        if "before" in job:
            text = job["before"].encode()
            try:
                before = read(job["before"])
            except (yaml.YAMLError, ValueError) as error:
                before = str(error)
            answer = {}
        elif isinstance(before, str):
            answer = {"unread": before}
        else:
            changed = text[: job["start"]] + job["new"].encode() + text[job["end"] :]
            found = []
            try:
                after = read(changed.decode())
                if len(after) != len(before):
                    found.append(["", "documents", str(len(before)), "documents", str(len(after))])
                for number, (one, two) in enumerate(zip(before, after)):
                    differ(one, two, f"{number}", found, set())
                answer = {"differ": found}
            except (yaml.YAMLError, ValueError) as error:
                answer = {"differ": [["", "text", "", "error", str(error)]]}
        print(json.dumps(answer), flush=True)


main()
