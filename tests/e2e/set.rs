//! `repin set` and `repin get`: the editor as a command. No configuration, no network, any folder.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

const VALUES: &str = "# Values of web.\nimage:\n  repository: ghcr.io/acme/web   # the name\n  tag: \"1.0.0\"   # by CI\n\nreplicas:  2\n";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_repin"));
    command.args(arguments).current_dir(folder).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn repin(folder: &TempDir, arguments: &[&str]) -> Output {
    command(folder.path(), arguments).output().unwrap()
}

/// Runs it with this on stdin.
fn piped(folder: &TempDir, arguments: &[&str], text: &[u8]) -> Output {
    let mut child = command(folder.path(), arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Who refuses early reads no further.
    let _ = stdin.write_all(text);
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// Exit code, stdout and stderr.
fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn read(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap()
}

/// The names in a folder: nothing is left behind.
fn names(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn one_value_changes_and_no_other_byte() {
    let folder = folder(&[("values.yaml", VALUES)]);
    let path = folder.path().join("values.yaml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let output = repin(&folder, &["set", "values.yaml", "image.tag", "1.1.0"]);
    assert_eq!(said(&output), (0, "values.yaml:4 image.tag  1.0.0 -> 1.1.0\n".into(), String::new()));
    assert_eq!(read(&folder, "values.yaml"), VALUES.replace("1.0.0", "1.1.0"));
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o640);

    // What is right already is not even touched.
    let output = repin(&folder, &["set", "values.yaml", "image.tag", "1.1.0"]);
    assert_eq!(said(&output), (0, "values.yaml:4 image.tag  is 1.1.0 already\n".into(), String::new()));
    let again = fs::metadata(&path).unwrap();
    assert_eq!((again.ino(), again.mtime_nsec()), (metadata.ino(), metadata.mtime_nsec()));
    assert_eq!(names(&folder), ["values.yaml"]);
}

#[test]
fn several_values_are_written_together_or_not_at_all() {
    let folder = folder(&[("values.yaml", VALUES)]);
    let output =
        repin(&folder, &["set", "values.yaml", "image.tag", "1.1.0", "image.digest", "sha256:ab", "replicas", "3"]);
    let text = "values.yaml:4 image.tag  1.0.0 -> 1.1.0\nvalues.yaml:5 image.digest  (none) -> sha256:ab\n\
                values.yaml:7 replicas  2 -> 3\n";
    assert_eq!(said(&output), (0, text.into(), String::new()));
    let after =
        VALUES.replace("1.0.0\"   # by CI", "1.1.0\"   # by CI\n  digest: \"sha256:ab\"").replace("2\n", "\"3\"\n");
    assert_eq!(read(&folder, "values.yaml"), after);

    let output = repin(&folder, &["set", "values.yaml", "image.tag", "1.2.0", "imagge.digest", "sha256:cd"]);
    let error = "error values.yaml: there is no `imagge.digest` (edit/no-such-key)\n    \
                 hint: did you mean `image.digest`? If the key is right, add it to the file once with its present value\n";
    assert_eq!(said(&output), (1, String::new(), error.into()));
    assert_eq!(read(&folder, "values.yaml"), after);

    for (arguments, message) in [
        (["image.tag", "1", "image.tag", "2"].as_slice(), "`image.tag` is there twice"),
        (&["image.tag", "1", "image.digest"], "`image.digest` has no value"),
        (&["image..tag", "1"], "`image..tag` is no key path, at character 7"),
    ] {
        let (code, out, error) = said(&repin(&folder, &[&["set", "values.yaml"], arguments].concat()));
        assert_eq!((code, out.as_str()), (2, ""), "{error}");
        assert!(error.contains(message) && error.contains("usage/invalid") && error.contains("hint: "), "{error}");
    }
    let list = "images: [{name: a, newTag: \"1\"}]\n";
    fs::write(folder.path().join("list.yaml"), list).unwrap();
    let (code, _, error) =
        said(&repin(&folder, &["set", "list.yaml", "images[0].newTag", "2", "images[name=a].newTag", "3"]));
    assert!(code == 1 && error.contains("another key path of the command names the same value"), "{error}");
    assert_eq!(read(&folder, "list.yaml"), list);
}

#[test]
fn a_dry_run_shows_a_diff_that_git_applies_and_writes_nothing() {
    let folder = folder(&[("values.yaml", VALUES)]);
    for flag in ["--dry-run", "--diff"] {
        let output = repin(&folder, &["set", flag, "values.yaml", "image.tag", "1.10"]);
        assert_eq!(output.status.code(), Some(4));
        assert_eq!(read(&folder, "values.yaml"), VALUES);
        assert_eq!(said(&output).2, "values.yaml:4 image.tag  1.0.0 -> 1.10\n");
        fs::write(folder.path().join("change.diff"), &output.stdout).unwrap();
    }
    let applied = Command::new("git").args(["apply", "change.diff"]).current_dir(folder.path()).status().unwrap();
    assert!(applied.success());
    assert_eq!(read(&folder, "values.yaml"), VALUES.replace("1.0.0", "1.10"));
    let output = repin(&folder, &["set", "--diff", "values.yaml", "image.tag", "1.10"]);
    assert_eq!(said(&output), (0, String::new(), "values.yaml:4 image.tag  is 1.10 already\n".into()));
    // What may only be read can be tried all the same.
    let text = piped(&folder, &["set", "--diff", "-", "a", "2"], b"a: 1\n");
    assert_eq!(said(&text).1, "--- a/-\n+++ b/-\n@@ -1 +1 @@\n-a: 1\n+a: \"2\"\n");
}

#[test]
fn stdin_becomes_stdout_whole_or_not_at_all() {
    let folder = folder(&[]);
    let crlf = "\u{feff}# x\r\na:\r\n  tag: v1\r\n";
    let output = piped(&folder, &["set", "-", "a.tag", "v2"], crlf.as_bytes());
    assert_eq!(said(&output), (0, crlf.replace("v1", "v2"), String::new()));
    let output = piped(&folder, &["set", "-", "a.tag", "v1"], crlf.as_bytes());
    assert_eq!(said(&output), (0, crlf.into(), String::new()), "a filter passes on what needs no change");
    let (code, out, error) = said(&piped(&folder, &["set", "-", "b", "v2"], crlf.as_bytes()));
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(error.starts_with("error -: there is no `b` (edit/no-such-key)"), "{error}");
    assert_eq!(said(&piped(&folder, &["get", "-", "a.tag"], crlf.as_bytes())), (0, "v1\n".into(), String::new()));
    let (code, _, error) = said(&piped(&folder, &["get", "-", "a"], &vec![b' '; (4 << 20) + 1]));
    assert!(
        code == 1 && error.contains("more than 4194304 bytes, the limit is 4194304 bytes (edit/too-large)"),
        "{error}"
    );
    assert_eq!(names(&folder), [""; 0]);

    // A disk that is full is no success.
    let mut child = command(folder.path(), &["set", "-", "a.tag", "v2"]);
    child.stdin(Stdio::piped()).stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let mut child = child.spawn().unwrap();
    child.stdin.take().unwrap().write_all(crlf.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).2.contains("edit/not-written"));
}

#[test]
fn an_answer_that_does_not_get_through_is_no_success() {
    let folder = folder(&[("a.yaml", "image: reg.example/acme/web:1.0.0\n")]);
    let full = |arguments: &[&str]| {
        let stdout = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        said(&command(folder.path(), arguments).stdout(stdout).output().unwrap())
    };
    for arguments in [
        ["get", "a.yaml", "image"].as_slice(),
        &["get", "a.yaml", "image", "--output", "json"],
        &["images", "a.yaml"],
        &["images", "a.yaml", "--output", "json"],
        &["set", "a.yaml", "image", "v1", "--diff"],
        &["set", "a.yaml", "image", "v1", "--diff", "--output", "json"],
        &["set", "a.yaml", "image", "v1", "--output", "json"],
        &["set", "a.yaml", "image", "v2"],
    ] {
        let (code, _, error) = full(arguments);
        assert_eq!(code, 1, "{arguments:?}: {error}");
        assert!(
            error.contains("error stdout does not take the text: no space left on device (edit/not-written)"),
            "{error}"
        );
        assert!(error.contains("hint: look at what reads stdout"), "{error}");
    }
    assert_eq!(read(&folder, "a.yaml"), "image: v2\n", "what was written stays");
    let stdin = fs::File::open(folder.path().join("a.yaml")).unwrap();
    let stdout = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut filter = command(folder.path(), &["set", "-", "image", "v3", "--output", "json"]);
    assert_eq!(filter.stdin(stdin).stdout(stdout).status().unwrap().code(), Some(1));
}

#[test]
fn the_documents_are_whole() {
    let folder = folder(&[("values.yaml", VALUES)]);
    let edit = json!({"start": 75, "end": 82, "old": "\"1.0.0\"", "new": "\"1.1.0\""});
    let change = json!({
        "key": "image.tag", "line": 4, "old": "1.0.0", "new": "1.1.0", "changed": true, "edits": [edit],
    });
    let mut expected = json!({
        "version": 1, "file": "values.yaml", "changed": true, "written": false, "changes": [change],
        "text": null, "problems": [],
    });
    let set = ["set", "values.yaml", "image.tag", "1.1.0", "--output", "json"];
    let output = repin(&folder, &[&set[..], &["--dry-run"]].concat());
    assert_eq!((output.status.code(), document(&output)), (Some(4), expected.clone()));
    let output = repin(&folder, &set);
    expected["written"] = true.into();
    assert_eq!((output.status.code(), document(&output)), (Some(0), expected.clone()));
    let output = piped(&folder, &["set", "-", "image.tag", "1.1.0", "--output", "json"], VALUES.as_bytes());
    (expected["written"], expected["file"], expected["text"]) =
        (false.into(), "-".into(), VALUES.replace("1.0.0", "1.1.0").into());
    assert_eq!((output.status.code(), document(&output)), (Some(0), expected));

    let problem = json!({
        "severity": "error", "code": "edit/not-a-scalar", "repository": null, "file": "values.yaml", "line": 3,
        "message": "`image` (line 3) is a mapping, not a single value",
        "hint": "name a value below it, such as `image.tag`",
    });
    let output = repin(&folder, &["set", "values.yaml", "image", "x", "--output", "json"]);
    let refused = json!({
        "version": 1, "file": "values.yaml", "changed": false, "written": false, "changes": [], "text": null,
        "problems": [problem],
    });
    assert_eq!((output.status.code(), document(&output)), (Some(1), refused));

    let get = |key: &str| document(&repin(&folder, &["get", "values.yaml", key, "--output", "json"]));
    let got = |key: &str, kind: Value, value: Value, line: Value, problems: Value| {
        json!({
            "version": 1, "file": "values.yaml", "key": key, "kind": kind, "value": value, "line": line,
            "problems": problems,
        })
    };
    let none = Value::Null;
    assert_eq!(get("replicas"), got("replicas", "text".into(), "2".into(), 6.into(), json!([])));
    assert_eq!(get("image"), got("image", none.clone(), none.clone(), none.clone(), json!([problem])));
    let absent = get("image.tga");
    assert_eq!((&absent["kind"], &absent["problems"][0]["code"]), (&"absent".into(), &"edit/no-such-key".into()));
    fs::write(folder.path().join("values.yaml"), "a: ~\n").unwrap();
    assert_eq!(get("a"), got("a", "null".into(), none.clone(), 1.into(), json!([])));
    assert_eq!(said(&repin(&folder, &["get", "values.yaml", "a"])), (0, "\n".into(), String::new()));

    // Not even the command line can be understood.
    for (arguments, keys) in [(["set", "a"], 7), (["get", "a"], 7)] {
        let output = repin(&folder, &[&arguments[..], &["--output", "json"]].concat());
        let document = document(&output);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(document["problems"][0]["code"], "usage/invalid");
        assert_eq!(document.as_object().unwrap().len(), keys);
    }
}

#[test]
fn what_a_cycle_refuses_is_refused_with_file_line_and_hint() {
    let sops = "image:\n  tag: v1\nsops:\n  mac: ENC[AES256_GCM,data:x]\n";
    let sealed = "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nspec:\n  tag: v1\n";
    let shared = "base: &base\n  tag: v1\nweb:\n  <<: *base\nflag: &t v1\nother: *t\n";
    let files = [
        ("sops.yaml", sops, "image.tag", "3: the file is encrypted by SOPS", "edit/sops"),
        ("sealed.yaml", sealed, "spec.tag", "2: line 2 begins a SealedSecret", "edit/sealed"),
        ("shared.yaml", shared, "web.tag", "4: `web.tag` is shared by lines 1, 4", "edit/shared"),
        ("shared.yaml", shared, "flag", "5: `flag` is shared by lines 5, 6", "edit/shared"),
        ("twice.yaml", "a: v1\na: v1\n", "a", "2: `a` is not one place", "edit/duplicate-key"),
        ("broken.yaml", "a: [\n", "a", "1: line 1 is no YAML", "edit/invalid-yaml"),
        ("chart.yaml", "a: \"{{ .tag }}\"\n", "a", "1: `a` (line 1) is the template", "edit/template"),
        ("flux.yaml", "a: ${TAG}\n", "a", "1: `a` (line 1) is the template `${TAG}`", "edit/template"),
        ("env.yaml", "a: \"x-${TAG}-y\"\n", "a", "1: `a` (line 1) is the template", "edit/template"),
        ("pod.yaml", "\na: 'v$(TAG)'\n", "a", "2: `a` (line 2) is the template", "edit/template"),
        ("single.json", "{'a':'v1'}\n", "a", "1: line 1 is no JSON, which the name", "edit/invalid-yaml"),
        ("comma.JSON", "{\n  \"a\": \"v1\",\n}\n", "a", "3: line 3 is no JSON", "edit/invalid-yaml"),
        ("yaml.json", "a: v1\n", "a", "1: line 1 is no JSON", "edit/invalid-yaml"),
        ("map.yaml", "a: {b: c}\n", "a", "1: `a` (line 1) is a mapping", "edit/not-a-scalar"),
        ("empty.yaml", "", "a", " there is no `a`", "edit/no-such-key"),
    ];
    for (name, text, key, message, code) in files {
        let folder = folder(&[(name, text)]);
        let (exit, out, error) = said(&repin(&folder, &["set", name, key, "v2"]));
        assert_eq!((exit, out.as_str()), (1, ""), "{error}");
        assert!(error.starts_with(&format!("error {name}:{message}")), "{error}");
        assert!(error.contains(&format!("({code})\n    hint: ")), "{error}");
        assert_eq!((read(&folder, name).as_str(), names(&folder)), (text, vec![name.to_owned()]));
    }
    let folder = folder(&[("web.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: A}\n")]);
    for (key, nearest) in
        [("Service/wbe#spec.type", "Service/web#spec.type"), ("Service/web#spec.typ", "Service/web#spec.type")]
    {
        let (code, _, error) = said(&repin(&folder, &["get", "web.yaml", key]));
        assert!(code == 1 && error.contains(&format!("there is no `{key}`")), "{error}");
        assert!(error.contains(&format!("did you mean `{nearest}`?")), "{error}");
    }
}

#[test]
fn what_is_no_file_that_may_be_edited_is_named_with_the_rule() {
    let folder = folder(&[("values.yaml", VALUES), ("latin.yaml", "a: 1\n")]);
    let at = |name: &str| folder.path().join(name);
    fs::write(at("latin.yaml"), b"a: 1\nb: \xff\n").unwrap();
    fs::write(at("large.yaml"), " ".repeat((4 << 20) + 1)).unwrap();
    symlink("values.yaml", at("link.yaml")).unwrap();
    symlink("nowhere", at("dangling.yaml")).unwrap();
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    for (name, message, code) in [
        ("none.yaml", "there is no such file", "edit/no-such-file"),
        ("values.yaml/x", "there is no such file", "edit/no-such-file"),
        ("link.yaml", "it is a symlink, and only regular files are read and written", "edit/not-regular"),
        ("dangling.yaml", "it is a symlink, and only regular files are read and written", "edit/not-regular"),
        (".", "it is a directory, and only regular files are read and written", "edit/not-regular"),
        ("pipe", "it is a named pipe, and only regular files are read and written", "edit/not-regular"),
        ("large.yaml", "the file has 4194305 bytes, the limit is 4194304 bytes", "edit/too-large"),
        ("latin.yaml", "the file is not UTF-8 at line 2, byte 8", "edit/encoding"),
    ] {
        for arguments in [["set", name, "image.tag", "v2"].as_slice(), &["get", name, "image.tag"]] {
            let (exit, out, error) = said(&repin(&folder, arguments));
            assert_eq!((exit, out.as_str()), (1, ""), "{error}");
            assert!(error.contains(&format!("{message} ({code})\n    hint: ")), "{name}: {error}");
        }
    }
    // What not even root may do.
    for (arguments, message) in [
        (["get", "/proc/self/mem", "a"].as_slice(), "it cannot be read: input/output error (edit/unreadable)"),
        (&["set", "/proc/meminfo", "MemTotal", "1"], "no file can be made in /proc, which then takes its place: "),
    ] {
        let (exit, out, error) = said(&repin(&folder, arguments));
        assert_eq!((exit, out.as_str()), (1, ""), "{error}");
        assert!(error.contains(message) && error.contains("\n    hint: "), "{error}");
    }
    assert!(fs::symlink_metadata(at("link.yaml")).unwrap().is_symlink());
    assert_eq!(read(&folder, "values.yaml"), VALUES);
}

#[test]
fn a_value_may_begin_with_a_dash_and_hold_anything() {
    let folder = folder(&[("a.yaml", "a: x # y\nb: z\n")]);
    for value in
        ["-", "--output", "-1", "", " ", "# no comment", "a: b", "\"", "'", "é\u{1f600}", "two\nlines\n", "\t", "null"]
    {
        let output = repin(&folder, &["set", "a.yaml", "a", "--", value]);
        assert_eq!(output.status.code(), Some(0), "{value:?}: {output:?}");
        let got = repin(&folder, &["get", "a.yaml", "a"]);
        assert_eq!(said(&got), (0, format!("{value}\n"), String::new()));
        let text = read(&folder, "a.yaml");
        assert!(text.starts_with("a: ") && text.ends_with("# y\nb: z\n"), "{text}");
    }
    let (code, _, error) = said(&repin(&folder, &["set", "a.yaml", "a", "-x"]));
    assert!(code == 2 && error.contains("'-- -x'"), "{error}");
}

#[test]
fn json_and_texts_in_texts_are_edited_in_their_own_style() {
    let json = "{\n\t\"image\": {\"repository\": \"ghcr.io/acme/web\", \"tag\": 1.0},\n\t\"replicas\": 2\n}\n";
    let application = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: web, namespace: argocd}\nspec:\n  source:\n    \
                       helm:\n      values: |\n        # of web\n        image:\n          tag: 1.0.0   # here\n      parameters:\n      - {name: tag, value: '1'}\n";
    let folder = folder(&[("values.json", json), ("web.yaml", application)]);
    for (file, key, value, from, to) in [
        ("values.json", "image.tag", "1.1", "1.0}", "\"1.1\"}"),
        ("web.yaml", "Application/web#spec.source.helm.values.image.tag", "1.10", "tag: 1.0.0 ", "tag: \"1.10\" "),
        ("web.yaml", "Application/argocd/web#spec.source.helm.parameters[name=tag].value", "2", "'1'", "'2'"),
    ] {
        let before = read(&folder, file);
        let output = repin(&folder, &["set", file, key, value]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(before.contains(from), "{before}");
        assert_eq!(read(&folder, file), before.replace(from, to));
        assert_eq!(said(&repin(&folder, &["get", file, key])).1, format!("{value}\n"));
    }
    let output = repin(&folder, &["get", "web.yaml", "spec.source.helm.values.image.tag", "--output", "json"]);
    assert_eq!(document(&output)["line"], 10, "lines are those of the file");
}

#[test]
fn many_that_write_one_file_lose_nothing() {
    let keys: Vec<String> = (0..24).map(|number| format!("s{number}")).collect();
    let text = |tag: &str| keys.iter().map(|key| format!("{key}: {{tag: {tag}}} # {key}\n")).collect::<String>();
    let folder = folder(&[("values.yaml", &text("v1"))]);
    let children: Vec<_> = keys
        .iter()
        .map(|key| command(folder.path(), &["set", "values.yaml", &format!("{key}.tag"), "v2"]).spawn().unwrap())
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(read(&folder, "values.yaml"), text("v2"));
    assert_eq!(names(&folder), ["values.yaml"]);
}

#[test]
fn no_bytes_make_it_panic() {
    let folder = folder(&[]);
    let pieces: [&[u8]; 24] = [
        b"a",
        b"b: ",
        b": ",
        b"\n",
        b"\n  ",
        b"- ",
        b"{",
        b"}",
        b"[",
        b"]",
        b"&x ",
        b"*x",
        b"<<: ",
        b"|\n",
        b">-\n",
        b"'",
        b"\"",
        b"# ",
        b"---\n",
        b"!!int ",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\r\n",
        b"{{ .x }}",
    ];
    let mut state = 20_261_126_u64;
    for _ in 0..150 {
        let mut text = Vec::new();
        for _ in 0..24 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.extend_from_slice(pieces[(state >> 33) as usize % pieces.len()]);
        }
        for arguments in [["set", "-", "a", "v2"].as_slice(), &["get", "-", "a"]] {
            let (code, _, error) = said(&piped(&folder, arguments, &text));
            let is_told =
                (code == 0) == error.is_empty() && !error.contains("panicked") && !error.contains("internal/");
            assert!(is_told && code < 2, "{:?}: {code} {error}", String::from_utf8_lossy(&text));
        }
    }
}

#[test]
fn every_image_location_is_listed_with_the_key_that_set_takes() {
    let manifests = "kind: Service\napiVersion: v1\nmetadata: {name: web}\n---\nkind: CronJob\napiVersion: batch/v1\nmetadata: {name: tidy}\n\
                     spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: tidy, image: 'busybox:1.36'}]}}}}}\n";
    let kustomization = "resources: [jobs.yaml]\nimages:\n- name: busybox\n  digest: sha256:00\n";
    let folder = folder(&[("values.yaml", VALUES), ("jobs.yaml", manifests), ("kustomization.yaml", kustomization)]);
    fs::create_dir_all(folder.path().join("templates")).unwrap();
    fs::create_dir_all(folder.path().join(".git")).unwrap();
    fs::write(folder.path().join("templates/web.yaml"), "image: {{ .Values.image }}\n{{- end }}\n").unwrap();
    fs::write(folder.path().join(".git/values.yaml"), VALUES).unwrap();
    fs::write(folder.path().join("notes.txt"), VALUES).unwrap();
    symlink("values.yaml", folder.path().join("link.yaml")).unwrap();
    let key = "spec.jobTemplate.spec.template.spec.containers[name=tidy].image";
    let listed = said(&repin(&folder, &["images", "."]));
    let expected = format!(
        "./jobs.yaml:8  CronJob/tidy#{key}  docker.io/library/busybox  1.36\n\
         ./kustomization.yaml:4  images[name=busybox].digest  docker.io/library/busybox  sha256:00\n\
         ./values.yaml:4  image.tag  ghcr.io/acme/web  1.0.0\n"
    );
    assert_eq!(listed, (0, expected, String::new()));
    let output = repin(&folder, &["images", "values.yaml", "values.yaml", "missing.yaml", "--output", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let found = document(&output);
    let expected = json!({"file": "values.yaml", "line": 4, "key": "image.tag", "image": "ghcr.io/acme/web",
        "tag": "1.0.0", "digest": null, "code": null});
    assert_eq!(found["images"], json!([expected]));
    assert_eq!(found["problems"][0]["code"], "edit/no-such-file");
    // What is listed can be written.
    let address = format!("CronJob/tidy#{key}");
    assert_eq!(said(&repin(&folder, &["set", "jobs.yaml", &address, "busybox:1.37"])).0, 0);
    assert!(read(&folder, "jobs.yaml").contains("image: 'busybox:1.37'"));
    // What is too deep is named.
    let deep = folder.path().join("d/".repeat(70));
    fs::create_dir_all(&deep).unwrap();
    let output = repin(&folder, &["images", "d", "--output", "json"]);
    assert_eq!((output.status.code(), &document(&output)["problems"][0]["code"]), (Some(1), &json!("edit/unreadable")));
    let template = said(&piped(&folder, &["images", "-"], b"image: {{ .Values.image }}\n{{- end }}\n"));
    assert_eq!((template.0, template.1.as_str()), (1, ""));
}
