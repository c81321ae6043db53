"""Reads edited files with PyYAML: python3 pyyaml.py <edits.jsonl>; prints one JSON object."""

import json
import sys

import yaml


UNREADABLE = (yaml.YAMLError, StopIteration, ValueError)


def child(node, step):
    if isinstance(node, yaml.ScalarNode):
        # The path goes on in the text.
        node = documents(node.value)[0]
    if "key" in step:
        own = [value for key, value in node.value if key.value == step["key"]]
        merged = [value for key, value in node.value if key.tag == "tag:yaml.org,2002:merge"]
        # The last of several counts, and what is merged only where there is none.
        return own[-1] if own else next(filter(None, (child_or_none(value, step) for value in merged)))
    if "index" in step:
        return node.value[step["index"]]
    return next(item for item in node.value if child(item, {"key": step["field"]}).value == step["value"])


def child_or_none(merged, step):
    """Looks into one mapping or a list of them."""
    for node in merged.value if isinstance(merged, yaml.SequenceNode) else [merged]:
        try:
            return child(node, step)
        except StopIteration:
            continue
    return None


def documents(text):
    """Reads all documents, since the whole text has to be readable."""
    loader = yaml.SafeLoader(text)
    try:
        nodes = []
        while loader.check_node():
            nodes.append(loader.get_node())
        return nodes
    finally:
        loader.dispose()


def read(text, steps):
    """Gives the resolved tag and text of the value in the first document."""
    node = documents(text)[0]
    for step in steps:
        node = child(node, step)
    return node.tag, node.value


def main():
    right, wrong, unread = 0, [], []
    with open(sys.argv[1], encoding="utf-8") as lines:
        for line in lines:
            case = json.loads(line)
            try:
                found = read(case["after"], case["steps"])
            except UNREADABLE as error:
                try:
                    read(case["before"], case["steps"])
                except UNREADABLE:
                    unread.append(case["name"])
                    continue
                found = ["error", str(error)]
            if tuple(found) == ("tag:yaml.org,2002:str", case["expected"]):
                right += 1
            else:
                wrong.append({"name": case["name"], "after": case["after"][:400], "found": found, "expected": case["expected"]})
    print(json.dumps({"right": right, "wrong": wrong, "unread": unread}))


main()
