"""Reads edited files with PyYAML: python3 pyyaml.py <edits.jsonl>; prints one JSON object."""

import json
import sys

import yaml


def child(node, step):
    if "key" in step:
        return next(value for key, value in node.value if key.value == step["key"])
    if "index" in step:
        return node.value[step["index"]]
    return next(item for item in node.value if child(item, {"key": step["field"]}).value == step["value"])


def read(text, steps):
    """Gives the resolved tag and text of the value in the first document."""
    loader = yaml.SafeLoader(text)
    try:
        loader.check_node()
        node = loader.get_node()
        # The whole file has to be readable, not only its first document.
        while loader.check_node():
            loader.get_node()
    finally:
        loader.dispose()
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
            except (yaml.YAMLError, StopIteration, ValueError) as error:
                try:
                    read(case["before"], case["steps"])
                except (yaml.YAMLError, StopIteration, ValueError):
                    unread.append(case["name"])
                    continue
                found = ["error", str(error)]
            if tuple(found) == ("tag:yaml.org,2002:str", case["expected"]):
                right += 1
            else:
                wrong.append({"name": case["name"], "after": case["after"][:400], "found": found, "expected": case["expected"]})
    print(json.dumps({"right": right, "wrong": wrong, "unread": unread}))


main()
