"""Renders charts, kustomizations and plain manifests before and after an edit, and says how the objects differ.

python3 render.py <corpus> <repository>: reads jobs, one JSON line each, and answers each with a line. The repository, a
folder of the corpus, is copied first: nothing in the corpus is written.

A job: {"kind": "helm" | "kustomize" | "plain", "dir", "files": {path: text after the edit}}; without files it asks
for the images alone. For Helm besides "set": {"steps", "value"}, the same edit as values, which must render the same.

An answer: {"state", "why", "images", "changed", "structure", "as_set"}: `rendered`, `unrendered` where it does not
render before, or `refused` where it does not after; every `image:`, where it was asked for; the leaves that differ, as [where,
before, after]; where more than leaves differ; whether Helm's own way of setting the value renders the same.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

try:
    import helm_python as helm
except ImportError:
    helm = None

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
TIME_LIMIT = 60
NOT_COPIED = shutil.ignore_patterns(".git", "node_modules")


class Texts(LOADER):
    """Reads every scalar as the text that stands there."""


Texts.yaml_implicit_resolvers = {"<": [("tag:yaml.org,2002:merge", re.compile("^<<$"))]}
Texts.add_constructor(None, lambda loader, node: node.value if isinstance(node, yaml.ScalarNode) else "?")


class NotRendered(Exception):
    pass


def load(text):
    return yaml.load(text, Loader=LOADER) or {}


def leaves(node, path):
    """Gives every scalar with its path; an item's name is part of it, so that a moved one is seen."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, (*path, str(key)))
    elif isinstance(node, list):
        for number, item in enumerate(node):
            name = item.get("name") if isinstance(item, dict) else None
            yield from leaves(item, (*path, f"[{number}:{name}]" if isinstance(name, str) else f"[{number}]"))
    else:
        yield path, node


def table(name, text):
    """Gives all leaves of all documents of a text, {(text, document, key, …): leaf}; what is no YAML by its lines."""
    found = {}
    try:
        for number, document in enumerate(yaml.load_all(text, Loader=Texts)):
            found.update(leaves(document, (name, str(number))))
    except (yaml.YAMLError, RecursionError, TypeError, ValueError):
        found.update({(name, "line", str(number)): line for number, line in enumerate(text.splitlines(), 1)})
    return found


def images(texts):
    every = (leaf for name, text in texts.items() for leaf in table(name, text).items())
    return sorted(one for key, one in every if key[-1] == "image" and isinstance(one, str) and one)


def differing(before, after):
    """Gives the leaves of the texts that differ, before and after: most do not, and reading them takes long."""
    names = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    return [{key: one for name in names for key, one in table(name, texts.get(name, "")).items()} for texts in (before, after)]


def compare(before, after, unsteady=()):
    before, after = differing(before, after)
    changed, structure = [], []
    for key in sorted(before.keys() | after.keys()):
        if key in unsteady:
            continue
        if key not in after or key not in before:
            structure.append("/".join(key))
        elif before[key] != after[key]:
            changed.append(["/".join(key), before[key], after[key]])
    return changed, structure


def charts(root):
    """Finds the charts below a folder by their names, without those that stand inside of others."""
    found = {}
    for directory, inner, files in os.walk(root):
        inner[:] = sorted(one for one in inner if one not in (".git", "node_modules", "templates"))
        if "Chart.yaml" in files:
            inner[:] = [one for one in inner if one != "charts"]
            try:
                found.setdefault(str(load((Path(directory) / "Chart.yaml").read_text()).get("name")), Path(directory))
            except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError):
                continue
    return found


def may_stand_for(chart, wanted):
    """Tells whether a chart of the corpus may stand for a dependency: by its major version."""
    version = str(load((chart / "Chart.yaml").read_text()).get("version", ""))
    majors = [(re.search(r"\d+", text) or [""])[0] for text in (wanted, version)]
    return majors[0] in ("", majors[1]) or wanted.lstrip().startswith((">", "*"))


def merged(base, more):
    """Lays values over others as Helm does."""
    result = dict(base)
    for key, value in more.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def set_alone(values, steps, value):
    """Gives the values that set one value and say nothing else; a list on the way is said whole, as Helm wants it."""
    if not steps:
        return value
    step, *rest = steps
    if "key" in step:
        below = values.get(step["key"]) if isinstance(values, dict) else None
        return {step["key"]: set_alone(below, rest, value)}
    number = step.get("index")
    if number is None:
        number = next(at for at, item in enumerate(values) if str(item.get(step["field"])) == step["value"])
    items = json.loads(json.dumps(values, default=str))
    items[number] = merged_deep(items[number], set_alone(items[number], rest, value))
    return items


def merged_deep(base, more):
    return merged(base, more) if isinstance(base, dict) and isinstance(more, dict) else more


class Repository:
    """A copy of one repository, in which edits stand for a while."""

    def __init__(self, corpus, name):
        self.corpus = corpus
        self.scratch = Path(tempfile.mkdtemp(prefix="repin-corpus-"))
        self.root = self.scratch / "tree"
        shutil.copytree(corpus / name, self.root, symlinks=True, ignore=NOT_COPIED, ignore_dangling_symlinks=True)
        self.own, self.others = charts(self.root), None

    def brought(self, name, version):
        """Gives the chart that a dependency means: of this repository, else of another one of the corpus."""
        if self.others is None and not (name in self.own and may_stand_for(self.own[name], version)):
            self.others = [charts(other) for other in sorted(self.corpus.iterdir()) if other.is_dir()]
        found = (one[name] for one in (self.own, *(self.others or ())) if name in one)
        return next((chart for chart in found if may_stand_for(chart, version)), None)

    @staticmethod
    def is_below(chart, other):
        """Tells whether a chart is another one or stands in it: a chart that depends on its own name means another one."""
        return chart == other or other in chart.parents

    def complete(self, chart, depth=0):
        """Puts the charts that a chart depends on below it, where the corpus has them; names those that it has not."""
        wanted = load((chart / "Chart.yaml").read_text()).get("dependencies") or []
        if not wanted and (chart / "requirements.yaml").exists():
            wanted = load((chart / "requirements.yaml").read_text()).get("dependencies") or []
        missing = []
        for one in wanted:
            name = str(one.get("name"))
            place = chart / "charts" / name
            if place.is_dir() or any((chart / "charts").glob(f"{name}-*.tgz")):
                continue
            source = self.brought(name, str(one.get("version", "")))
            if depth == 3 or source is None or self.is_below(chart, source):
                missing.append(name)
                continue
            shutil.copytree(source, place, symlinks=True, ignore=NOT_COPIED)
            missing += self.complete(place, depth + 1)
        return missing

    def with_files(self, files, render):
        """Renders while these texts stand in the copy."""
        paths = {self.root / name: text for name, text in files.items()}
        old = {path: path.read_bytes() for path in paths}
        try:
            for path, text in paths.items():
                path.write_bytes(text.encode())
            return render()
        finally:
            for path, content in old.items():
                path.write_bytes(content)


class Helm:
    """One chart, with its defaults alone, else with the first of its `ci/` value files with which it renders."""

    def __init__(self, repository, directory):
        if helm is None:
            raise NotRendered("left out: helm-python-sdk is not there")
        self.repository, self.chart = repository, repository.root / directory
        try:
            missing = repository.complete(self.chart)
            self.defaults = load((self.chart / "values.yaml").read_text()) if (self.chart / "values.yaml").exists() else {}
        except (OSError, yaml.YAMLError, AttributeError) as error:
            raise NotRendered(f"it cannot be read: {error}") from error
        first = None
        for file in (None, *sorted(self.chart.glob("ci/*values*.y*ml"))):
            try:
                self.user = {} if file is None else load(file.read_text())
                self.before = self.render(self.user)
                break
            except (NotRendered, yaml.YAMLError) as error:
                first = first or error
        else:
            raise NotRendered(f"dependencies are missing: {', '.join(missing)}" if missing else str(first))
        # What is made by chance is no difference.
        self.unsteady = self.made_by_chance(self.before, self.user)

    def made_by_chance(self, before, user):
        one, two = differing(before, self.render(user))
        return {key for key in one.keys() | two.keys() if one.get(key) != two.get(key)}

    def render(self, user):
        try:
            with helm.Chart.load(str(self.chart)) as chart:
                texts = chart.render(user, name="repin", namespace="default")
                # What is told to a person is no object.
                return {name: text for name, text in texts.items() if not name.endswith("NOTES.txt")}
        except helm.HelmError as error:
            raise NotRendered(str(error)) from error

    def run(self, job):
        files = job["files"]
        name = next(iter(files))
        path = self.repository.root / name
        is_default = path == self.chart / "values.yaml"
        is_user = not is_default and self.chart == path.parent or path.parent == self.chart / "ci"
        user = lambda text: merged(self.user, load(text)) if is_user else self.user
        before, unsteady = self.before, self.unsteady
        if is_user:
            before = self.render(user(path.read_text()))
            unsteady = self.made_by_chance(before, user(path.read_text()))
        as_set = None
        if job.get("set") and (is_default or is_user):
            stands = self.defaults if is_default else load(path.read_text())
            alone = set_alone(stands, job["set"]["steps"], job["set"]["value"])
            # What `ci/` says wins over the defaults, and a file of values wins over both.
            values = merged(alone, self.user) if is_default else merged(merged(self.user, stands), alone)
            try:
                as_set = self.render(values)
            except NotRendered as error:
                as_set = error
        try:
            after = self.repository.with_files(files, lambda: self.render(user(files[name])))
        except NotRendered as error:
            # A chart may refuse a version; it then refuses it however it is told.
            return {"state": "refused", "why": str(error), "as_set": as_set is None or isinstance(as_set, NotRendered)}
        answer = answered(before, after, unsteady)
        if as_set is not None:
            is_same = not isinstance(as_set, NotRendered) and compare(as_set, after, unsteady) == ([], [])
            answer["as_set"] = is_same
        return answer


class Kustomize:
    def __init__(self, repository, directory):
        programs = (["kustomize", "build"], ["kubectl", "kustomize"])
        self.program = next((one for one in programs if shutil.which(one[0])), None)
        if self.program is None:
            raise NotRendered("left out: neither kustomize nor kubectl is there")
        self.repository, self.directory = repository, repository.root / directory
        self.before = self.build()

    def build(self):
        # Nothing is fetched: what is remote fails at once.
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.repository.scratch), "GIT_ALLOW_PROTOCOL": "file"}
        environment.update({name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")})
        command = [*self.program, "--load-restrictor", "LoadRestrictionsNone", str(self.directory)]
        try:
            done = subprocess.run(command, capture_output=True, env=environment, timeout=TIME_LIMIT, check=False)
        except subprocess.TimeoutExpired as error:
            raise NotRendered("it takes too long") from error
        if done.returncode != 0:
            raise NotRendered(done.stderr.decode(errors="replace")[-300:])
        return {str(number): text for number, text in enumerate(re.split(r"(?m)^---$", done.stdout.decode()))}

    def run(self, job):
        return answered(self.before, self.repository.with_files(job["files"], self.build))


class Plain:
    """Manifests as they are."""

    def __init__(self, repository, directory):
        self.repository, self.directory = repository, repository.root / directory
        self.before = self.read()

    def read(self):
        files = [self.directory] if self.directory.is_file() else sorted(self.directory.iterdir())
        files = [one for one in files if one.suffix in (".yaml", ".yml", ".json") and one.is_file()]
        return {str(one.relative_to(self.repository.root)): one.read_text(errors="replace") for one in files}

    def run(self, job):
        return answered(self.before, self.repository.with_files(job["files"], self.read))


def answered(before, after, unsteady=()):
    changed, structure = compare(before, after, unsteady)
    return {"state": "rendered", "changed": changed, "structure": structure[:20]}


KINDS = {"helm": Helm, "kustomize": Kustomize, "plain": Plain}


def answer(repository, made, job):
    key = (job["kind"], job["dir"])
    if key not in made:
        try:
            made[key] = KINDS[job["kind"]](repository, job["dir"])
        except (NotRendered, OSError, UnicodeDecodeError) as error:
            made[key] = error
    if isinstance(made[key], Exception):
        return {"state": "unrendered", "why": str(made[key])}
    if not job.get("files"):
        return {"state": "rendered", "images": images(made[key].before)}
    try:
        return made[key].run(job)
    except (NotRendered, yaml.YAMLError) as error:
        return {"state": "refused", "why": str(error)}


def main():
    repository = Repository(Path(sys.argv[1]), sys.argv[2])
    made = {}
    try:
        for line in sys.stdin:
            found = answer(repository, made, json.loads(line))
            if "why" in found:
                found["why"] = found["why"][:300]
            print(json.dumps(found), flush=True)
    finally:
        shutil.rmtree(repository.scratch, ignore_errors=True)


main()
