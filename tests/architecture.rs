//! Rules of the code base that the compiler does not hold: the layers of `ARCHITECTURE.md`, purity below layer 4, the
//! shape of files, and that the documents name only paths and tests that exist.
//!
//! It reads sources as tokens (comments and string contents are no code), so a rule is neither fooled by a doc comment
//! nor escaped by a line break. It knows no types: what hides behind a re-export or a macro of another crate is not seen.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules by layer, bottom first. A module may name only modules of lower layers.
const LAYERS: &[&[&str]] = &[
    &["diagnostic", "secret"],
    &["model", "yaml"],
    &["annotations", "manifest", "message", "rules", "selection"],
    &["plan", "resolve"],
    &["cache", "credentials", "http", "telemetry"],
    &["demo_registry", "forge", "git", "registry"],
    &["reconcile"],
    &["config", "server"],
    &["daemon"],
    &["cli"],
];
/// Layers below this one are pure.
const FIRST_IMPURE_LAYER: usize = 4;
/// Parts of `std` that reach outside.
const IMPURE_STD: &[&str] = &["env", "fs", "net", "process"];
/// Words that make code wait, log, or reach outside.
const IMPURE_WORDS: &[&str] = &[
    "async", "await", "axum", "dbg", "eprint", "eprintln", "git2", "print", "println", "redb", "reqwest", "tokio",
    "tracing",
];
/// Lines of a file before its tests.
const MAX_LINES: usize = 400;
/// Paths in backticks that start like this must exist.
const CHECKED_FOLDERS: &[&str] = &["src/", "tests/", "config/", "charts/"];

#[test]
fn every_source_file_keeps_the_rules() {
    let mut problems = Vec::new();
    for path in files_below(&root().join("src"), "rs") {
        let text = fs::read_to_string(&path).unwrap();
        problems.extend(problems_of_source(&relative(&path), &text));
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_module_of_the_library_is_in_exactly_one_layer() {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let problems = problems_of_layers(&text);
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn the_layers_of_the_architecture_document_are_the_ones_held_here() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let held: BTreeSet<(usize, String)> =
        LAYERS.iter().enumerate().flat_map(|(layer, names)| names.iter().map(move |n| (layer, (*n).into()))).collect();
    let written: BTreeSet<(usize, String)> = rows_of_layers(&text).into_iter().filter(|(_, n)| n != "main").collect();
    assert_eq!(written, held);
}

#[test]
fn documents_name_only_paths_that_exist() {
    let mut documents: Vec<PathBuf> = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()).collect();
    documents.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    documents.extend(files_below(&root().join("docs"), "md"));
    assert!(!documents.is_empty());
    // The codes of problems with the configuration, such as `config/yaml`, look like paths.
    let sources: Vec<String> =
        files_below(&root().join("src"), "rs").iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let is_code = |named: &str| sources.iter().any(|text| text.contains(&format!("\"{named}\"")));
    let problems: Vec<String> = documents
        .iter()
        .flat_map(|path| {
            problems_of_document(&relative(path), &fs::read_to_string(path).unwrap(), |named| {
                root().join(named).exists() || is_code(named)
            })
        })
        .collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn the_tests_that_the_security_document_names_exist() {
    let document = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let sources = [files_below(&root().join("src"), "rs"), files_below(&root().join("tests"), "rs")].concat();
    let functions: BTreeSet<String> =
        sources.iter().flat_map(|path| functions_of(&fs::read_to_string(path).unwrap())).collect();
    let named = tests_named_in(&document);
    assert!(named.len() > 20, "only {} tests are named", named.len());
    let gone: Vec<&String> = named.difference(&functions).collect();
    assert!(gone.is_empty(), "SECURITY.md names tests that do not exist: {gone:#?}");
}

/// Gives the broken rules of one file below `src`, each with file and line.
fn problems_of_source(file: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let module: Vec<String> = Path::new(file)
        .with_extension("")
        .iter()
        .skip(1)
        .map(|part| part.to_str().unwrap().to_owned())
        .filter(|part| part != "lib")
        .collect();
    let tests = tests_at(&tokens);
    let code = &tokens[..tests.map_or(tokens.len(), |(start, _)| start)];

    let mut found: Vec<(usize, String)> = Vec::new();
    if Path::new(file).file_name().is_some_and(|name| name == "mod.rs") {
        found.push((1, "a module is `foo.rs` with a folder `foo`, not `mod.rs`".into()));
    }
    let lines = tests.map_or(text.lines().count(), |(start, _)| tokens[start].line - 1);
    if lines > MAX_LINES {
        found.push((MAX_LINES + 1, format!("{lines} lines before the tests, at most {MAX_LINES} are allowed")));
    }
    if let Some(after) = tests.and_then(|(_, end)| tokens.get(end)) {
        found.push((after.line, "nothing stands behind the tests of a file".into()));
    }
    let own = module.first().map(String::as_str);
    let layer = match own {
        None => None,
        Some("main") => Some(LAYERS.len()),
        Some(own) => layer_of(own),
    };
    match (own, layer) {
        (Some(own), None) => found.push((1, format!("module `{own}` is in no layer of tests/architecture.rs"))),
        (Some(own), Some(layer)) => found.extend(problems_of_imports(own, layer, &module, &tokens)),
        (None, _) => {}
    }
    if layer.is_some_and(|layer| layer < FIRST_IMPURE_LAYER) {
        found.extend(
            impurities(code).into_iter().map(|(line, word)| {
                (line, format!("module `{}` is pure, and `{word}` is not", own.unwrap_or_default()))
            }),
        );
    }
    found.extend(panics(code).into_iter().map(|(line, word)| (line, format!("`{word}` in code that is no test"))));
    found.extend(evasions(code));
    found.sort();
    found.dedup();
    found.into_iter().map(|(line, what)| format!("{file}:{line}: {what}")).collect()
}

/// Imports that go up or sideways, in tests too: what a test needs from above belongs into a test outside `src`.
fn problems_of_imports(own: &str, layer: usize, module: &[String], tokens: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut inline: Vec<(usize, String)> = Vec::new();
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" => {
                depth += 1;
                if at >= 2 && tokens[at - 2].text == "mod" {
                    inline.push((depth, tokens[at - 1].text.clone()));
                }
            }
            "}" => {
                inline.retain(|(opened, _)| *opened < depth);
                depth = depth.saturating_sub(1);
            }
            "crate" | "super" | "self" | "repin" if starts_path(tokens, at) => {
                if token.text == "crate" && text_at(tokens, at + 1) == "::" && text_at(tokens, at + 2) == "{" {
                    found.push((token.line, "one `use` for each module, not `crate::{…}`".into()));
                }
                for (line, path) in paths_from(tokens, at) {
                    let Some(named) = resolve(module, &inline, &path) else { continue };
                    let target = named.first().map_or("*", String::as_str);
                    if target == "*" {
                        found.push((line, format!("module `{own}` takes the whole crate, name the module")));
                    } else if target != own {
                        match layer_of(target) {
                            Some(other) if other < layer => {}
                            Some(other) => found.push((
                                line,
                                format!("module `{own}` (layer {layer}) may not use `{target}` (layer {other})"),
                            )),
                            None => found.push((line, format!("module `{own}` uses `{target}`, which is in no layer"))),
                        }
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// Gives the path from the crate's root, or nothing for a lone `self`, `pub(crate)` or `pub(super)`.
fn resolve(module: &[String], inline: &[(usize, String)], path: &[String]) -> Option<Vec<String>> {
    let mut at: Vec<String> = module.iter().chain(inline.iter().map(|(_, name)| name)).cloned().collect();
    if path.len() == 1 {
        return None;
    }
    for (position, part) in path.iter().enumerate() {
        match part.as_str() {
            "crate" | "repin" if position == 0 => at.clear(),
            "self" | "as" => {}
            "super" => {
                at.pop();
            }
            _ => at.push(part.clone()),
        }
    }
    Some(at)
}

/// Impure words of code outside tests.
fn impurities(code: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, token) in code.iter().enumerate() {
        let word = token.text.as_str();
        if IMPURE_WORDS.contains(&word) && text_at(code, at + 1) != ":" {
            found.push((token.line, word.to_owned()));
        }
        if word == "log" && text_at(code, at + 1) == "::" {
            found.push((token.line, "log".into()));
        }
        if word == "now" && at > 0 && code[at - 1].text == "::" {
            found.push((token.line, "::now()".into()));
        }
        if word == "std" && starts_path(code, at) {
            for (line, path) in paths_from(code, at) {
                if path.get(1).is_some_and(|part| IMPURE_STD.contains(&part.as_str())) {
                    found.push((line, path[..2].join("::")));
                }
            }
        }
    }
    found
}

/// Calls that end the process, outside tests.
fn panics(code: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, token) in code.iter().enumerate() {
        let before = if at > 0 { code[at - 1].text.as_str() } else { "" };
        match (token.text.as_str(), text_at(code, at + 1)) {
            ("unwrap" | "expect", _) if before == "::" => found.push((token.line, token.text.clone())),
            ("unwrap" | "expect", "(") if before == "." => found.push((token.line, format!("{}()", token.text))),
            ("panic" | "todo" | "unimplemented", "!") => found.push((token.line, format!("{}!", token.text))),
            _ => {}
        }
    }
    found
}

/// Attributes that would switch rules off for a whole file, or move files where this test does not see their module.
fn evasions(code: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, token) in code.iter().enumerate() {
        if token.text != "#" {
            continue;
        }
        let inner = text_at(code, at + 1) == "!";
        let open = at + 1 + usize::from(inner);
        if text_at(code, open) != "[" {
            continue;
        }
        let words: Vec<&str> = code[open..].iter().map(|t| t.text.as_str()).take_while(|text| *text != "]").collect();
        if inner && words.iter().any(|word| ["allow", "expect"].contains(word)) {
            found.push((token.line, "a lint is switched off at the place that needs it, not with `#![allow]`".into()));
        }
        if words.get(1) == Some(&"path") {
            found.push((token.line, "a module stands where its name says, not at `#[path]`".into()));
        }
    }
    found
}

/// Modules of `src/lib.rs` against the layers.
fn problems_of_layers(lib: &str) -> Vec<String> {
    let tokens = tokens(lib);
    let declared: Vec<(usize, &str)> = tokens
        .windows(3)
        .filter(|three| three[0].text == "mod" && three[2].text == ";")
        .map(|three| (three[1].line, three[1].text.as_str()))
        .collect();
    let mut problems = Vec::new();
    for (line, name) in &declared {
        let times = LAYERS.iter().flat_map(|layer| layer.iter()).filter(|listed| *listed == name).count();
        if times != 1 {
            problems.push(format!("src/lib.rs:{line}: module `{name}` is in {times} layers, not in one"));
        }
    }
    for listed in LAYERS.iter().flat_map(|layer| layer.iter()) {
        if !declared.iter().any(|(_, name)| name == listed) {
            problems.push(format!("src/lib.rs:1: module `{listed}` has a layer, and does not exist"));
        }
    }
    problems
}

/// Gives layer and module of each row `| 0 | `a`, `b/` | … |`.
fn rows_of_layers(document: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for line in document.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let [_, layer, names, ..] = cells.as_slice() {
            let Ok(layer) = layer.parse::<usize>() else { continue };
            found.extend(names.split('`').skip(1).step_by(2).map(|n| (layer, n.trim_end_matches('/').to_owned())));
        }
    }
    found
}

/// Paths in backticks that do not exist. A path with `<` or `*` is checked up to the folder before it.
fn problems_of_document(file: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut problems = Vec::new();
    let mut fenced = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for named in line.split('`').skip(1).step_by(2).filter(|n| CHECKED_FOLDERS.iter().any(|f| n.starts_with(f))) {
            let path = match named.find(['<', '*', '{']) {
                Some(open) => named[..open].rsplit_once('/').map_or("", |(folder, _)| folder),
                None => named.split([':', '#', ' ']).next().unwrap_or(named),
            };
            if !exists(path) {
                problems.push(format!("{file}:{}: `{named}` does not exist", number + 1));
            }
        }
    }
    problems
}

/// Words in backticks that read like the name of a test: at least three parts in snake case.
fn tests_named_in(document: &str) -> BTreeSet<String> {
    let is_name = |word: &str| {
        word.matches('_').count() >= 2 && word.chars().all(|c| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    document
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter(|word| is_name(word))
        .map(str::to_owned)
        .collect()
}

fn functions_of(source: &str) -> Vec<String> {
    tokens(source).windows(2).filter(|two| two[0].text == "fn").map(|two| two[1].text.clone()).collect()
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// One word or sign of code; a text, byte text or character is `""`.
#[derive(Clone, Debug)]
struct Token {
    text: String,
    line: usize,
}

fn text_at(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| token.text.as_str())
}

/// Whether a path begins here and is not the middle of a longer one.
fn starts_path(tokens: &[Token], at: usize) -> bool {
    let is_word = |text: &str| text.starts_with(|c: char| c.is_alphanumeric() || c == '_') || text == ">";
    match at {
        0 => true,
        1 => tokens[0].text != "::" && tokens[0].text != ".",
        _ if tokens[at - 1].text == "::" => !is_word(&tokens[at - 2].text) || tokens[at - 2].text == "use",
        _ => tokens[at - 1].text != ".",
    }
}

/// Gives every path of the tree `a::{b, c::d as e, *}` that begins here, each with the line of its last part.
fn paths_from(tokens: &[Token], start: usize) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    walk(tokens, start, &mut Vec::new(), &mut found);
    found
}

/// Follows one branch and gives the position behind it.
fn walk(tokens: &[Token], mut at: usize, before: &mut Vec<String>, found: &mut Vec<(usize, Vec<String>)>) -> usize {
    let depth = before.len();
    loop {
        match text_at(tokens, at) {
            "{" => {
                at += 1;
                while !["}", ""].contains(&text_at(tokens, at)) {
                    let next = walk(tokens, at, before, found);
                    at = if text_at(tokens, next) == "," { next + 1 } else { next.max(at + 1) };
                }
                at += 1;
                break;
            }
            word => {
                before.push(word.to_owned());
                at += 1;
                if text_at(tokens, at) == "::" && text_at(tokens, at + 1) != "<" {
                    at += 1;
                    continue;
                }
                let line = tokens.get(at - 1).map_or(0, |token| token.line);
                if text_at(tokens, at) == "as" {
                    // A lone `crate as root` is a path too, unlike `pub(crate)`.
                    before.push("as".into());
                    at += 2;
                }
                found.push((line, before.clone()));
                break;
            }
        }
    }
    before.truncate(depth);
    at
}

/// Gives the positions of the first token of `#[cfg(test)] mod … {}` and of the one behind it.
fn tests_at(tokens: &[Token]) -> Option<(usize, usize)> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let start = (0..tokens.len()).find(|&start| {
        let is_mark = MARK.iter().enumerate().all(|(n, text)| text_at(tokens, start + n) == *text);
        let mut at = start + MARK.len();
        while is_mark && text_at(tokens, at) == "#" {
            at += tokens[at..].iter().position(|t| t.text == "]").map_or(1, |n| n + 1);
        }
        is_mark && text_at(tokens, at) == "mod" && text_at(tokens, at + 2) == "{"
    })?;
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" if depth == 1 => return Some((start, at + 1)),
            "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Some((start, tokens.len()))
}

/// Splits Rust source into tokens, without comments and without what stands in texts.
fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let at_or_nul = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let (start, first_line) = (at, line);
        match (chars[at], at_or_nul(at + 1)) {
            ('\n', _) => at += 1,
            (c, _) if c.is_whitespace() => at += 1,
            ('/', '/') => at = (at..chars.len()).find(|&n| chars[n] == '\n').unwrap_or(chars.len()),
            ('/', '*') => {
                let mut depth = 1;
                at += 2;
                while depth > 0 && at < chars.len() {
                    match (chars[at], at_or_nul(at + 1)) {
                        ('/', '*') => (depth, at) = (depth + 1, at + 2),
                        ('*', '/') => (depth, at) = (depth - 1, at + 2),
                        _ => at += 1,
                    }
                }
            }
            ('"', _) => at = end_of_text(&chars, at + 1, '"'),
            ('\'', '\\') => at = end_of_text(&chars, at + 1, '\''),
            ('\'', _) if at_or_nul(at + 2) == '\'' => at += 3,
            ('\'', _) => {
                at += 1;
                while is_word(at_or_nul(at)) {
                    at += 1;
                }
            }
            (c, _) if is_word(c) => {
                while is_word(at_or_nul(at)) {
                    at += 1;
                }
                let word: String = chars[start..at].iter().collect();
                let hashes = (at..).take_while(|&n| at_or_nul(n) == '#').count();
                match word.as_str() {
                    "r" | "br" | "cr" if at_or_nul(at + hashes) == '"' => {
                        let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                        let body = at + hashes + 1;
                        let end = (body..chars.len()).find(|&n| chars[n..].starts_with(&close));
                        at = end.map_or(chars.len(), |n| n + close.len());
                        found.push(Token { text: "\"\"".into(), line });
                    }
                    "b" | "c" if at_or_nul(at) == '"' || (word == "b" && at_or_nul(at) == '\'') => {}
                    _ => found.push(Token { text: word, line }),
                }
            }
            (':', ':') => {
                at += 2;
                found.push(Token { text: "::".into(), line });
            }
            (c, _) => {
                at += 1;
                found.push(Token { text: c.into(), line });
            }
        }
        line += chars[start..at.min(chars.len())].iter().filter(|c| **c == '\n').count();
        if chars[start] == '"' {
            found.push(Token { text: "\"\"".into(), line: first_line });
        }
    }
    found
}

/// Gives the position behind the closing sign of a text with escapes.
fn end_of_text(chars: &[char], mut at: usize, close: char) -> usize {
    while at < chars.len() && chars[at] != close {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// Files with this ending below a folder, sorted; none where the folder does not exist.
fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(files_below(&path, ending));
        } else if path.extension().is_some_and(|own| own == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn an_import_that_goes_up_or_sideways_is_found() {
    for (file, source, expected) in [
        ("src/model.rs", "use crate::plan::decide;", "1: module `model` (layer 1) may not use `plan` (layer 3)"),
        ("src/git.rs", "\nuse crate::registry::Options;", "2: module `git` (layer 5) may not use `registry` (layer 5)"),
        ("src/git/history.rs", "fn f() { crate::cli::run() }", "1: module `git` (layer 5) may not use `cli` (layer 9)"),
        ("src/git.rs", "use super::registry;", "1: module `git` (layer 5) may not use `registry` (layer 5)"),
        (
            "src/git.rs",
            "use super::{\n  http,\n  registry};",
            "3: module `git` (layer 5) may not use `registry` (layer 5)",
        ),
        (
            "src/git/history.rs",
            "use super::super::registry::Options;",
            "1: module `git` (layer 5) may not use `registry` (layer 5)",
        ),
        (
            "src/git/history.rs",
            "use self::super::super::cli::main;",
            "1: module `git` (layer 5) may not use `cli` (layer 9)",
        ),
        (
            "src/git.rs",
            "mod inner { use super::super::daemon; }",
            "1: module `git` (layer 5) may not use `daemon` (layer 8)",
        ),
        (
            "src/git.rs",
            "mod a {} fn f() { super::daemon::run() }",
            "1: module `git` (layer 5) may not use `daemon` (layer 8)",
        ),
        (
            "src/plan.rs",
            "type T = Vec<crate\n::\nhttp::Client>;",
            "3: module `plan` (layer 3) may not use `http` (layer 4)",
        ),
        ("src/plan.rs", "pub(in crate::git) fn f() {}", "1: module `plan` (layer 3) may not use `git` (layer 5)"),
        (
            "src/plan.rs",
            "#[cfg(test)]\nmod tests {\n use crate::git::Mirror;\n}",
            "3: module `plan` (layer 3) may not use `git` (layer 5)",
        ),
        ("src/main.rs", "use repin::nothing;", "1: module `main` uses `nothing`, which is in no layer"),
        ("src/plan.rs", "use repin::git;", "1: module `plan` (layer 3) may not use `git` (layer 5)"),
        ("src/plan.rs", "use crate::*;", "1: module `plan` takes the whole crate, name the module"),
        ("src/plan.rs", "use super::*;", "1: module `plan` takes the whole crate, name the module"),
        ("src/plan.rs", "use crate as all;", "1: module `plan` takes the whole crate, name the module"),
        ("src/unheard.rs", "", "1: module `unheard` is in no layer of tests/architecture.rs"),
    ] {
        assert_eq!(problems_of_source(file, source), [format!("{file}:{expected}")], "{source}");
    }
    let group = problems_of_source("src/plan.rs", "use crate::{model::names, git::{self, history as h}};");
    assert_eq!(
        group,
        [
            "src/plan.rs:1: module `plan` (layer 3) may not use `git` (layer 5)",
            "src/plan.rs:1: one `use` for each module, not `crate::{…}`",
        ]
    );
}

#[test]
fn what_goes_down_or_stays_within_a_module_is_allowed() {
    for (file, source) in [
        ("src/git.rs", "use crate::http::Client;\nuse crate::git::history::Version;\npub(crate) fn f() {}"),
        ("src/git/history.rs", "use super::Mirror; use super::super::http::Client; pub(super) fn f(&self) {}"),
        ("src/plan.rs", "/// See [`crate::git`].\n//! crate::cli\n/* crate::cli /* */ std::fs */ fn f() {}"),
        ("src/plan.rs", r##"const A: &str = "crate::git .unwrap() \" std::fs"; const B: &str = r#"tokio "async""#;"##),
        ("src/plan.rs", "const C: char = '\"'; const D: u8 = b'\\''; fn f<'a>(x: &'a str) -> &'a str { x }"),
        ("src/main.rs", "fn main() { repin::cli::main() }"),
        ("src/plan.rs", "#[cfg(test)]\n#[allow(clippy::unwrap_used)]\nmod tests {\n use super::*; use std::fs; }"),
        ("src/plan.rs", "use std::{collections::BTreeMap, fmt}; fn f(now: Timestamp) { let log = now.round(); }"),
        ("src/http.rs", "use std::fs; async fn f() { tokio::time::Instant::now(); g().await }"),
    ] {
        assert_eq!(problems_of_source(file, source), [""; 0], "{source}");
    }
}

#[test]
fn an_impure_word_is_found_below_layer_four_only() {
    for (source, word) in [
        ("use tokio::time;", "tokio"),
        ("async fn f() {}", "async"),
        ("fn f() { let a = async move { 1 }; }", "async"),
        ("fn f() { g()\n.await }", "await"),
        ("use std::fs;", "std::fs"),
        ("use std::{collections::BTreeMap, net::{IpAddr, TcpStream}};", "std::net"),
        ("fn f() { std::process::exit(1) }", "std::process"),
        ("fn f() { ::std::env::var(A) }", "std::env"),
        ("fn f() { Timestamp::now() }", "::now()"),
        ("fn f() { a.unwrap_or_else(Timestamp::now) }", "::now()"),
        ("fn f() { tracing::info!(\"x\") }", "tracing"),
        ("fn f() { println!(\"x\") }", "println"),
        ("fn f() { log::warn!(\"x\") }", "log"),
        ("fn f(a: git2::Oid) {}", "git2"),
    ] {
        let found = problems_of_source("src/plan.rs", source);
        assert!(!found.is_empty(), "{source}");
        assert!(found.iter().all(|p| p.ends_with(&format!("module `plan` is pure, and `{word}` is not"))), "{found:?}");
        assert_eq!(problems_of_source("src/git.rs", source), [""; 0], "{source}");
    }
}

#[test]
fn a_panic_outside_tests_is_found() {
    for (source, word) in [
        ("fn f() { a.unwrap(); }", "unwrap()"),
        ("fn f() { a\n.expect(\"b\"); }", "expect()"),
        ("fn f() { a.map(Option::unwrap); }", "unwrap"),
        ("fn f() { panic!(\"b\") }", "panic!"),
        ("fn f() { todo!() }", "todo!"),
        ("fn f() { unimplemented!() }", "unimplemented!"),
    ] {
        let found = problems_of_source("src/http.rs", source);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].ends_with(&format!("`{word}` in code that is no test")), "{found:?}");
        let tested = format!("fn g() {{ a.unwrap_or(1); }}\n#[cfg(test)]\nmod tests {{ {source} }}\n");
        assert_eq!(problems_of_source("src/http.rs", &tested), [""; 0]);
        assert_eq!(problems_of_source("src/http.rs", &format!("{tested}fn last() {{}}")).len(), 1);
    }
    let hidden = "#[cfg(test)]\nmod tests {}\nfn f() { a.unwrap(); }";
    assert_eq!(problems_of_source("src/http.rs", hidden), ["src/http.rs:3: nothing stands behind the tests of a file"]);
}

#[test]
fn a_file_of_the_wrong_shape_is_found() {
    let long = "fn f() {}\n".repeat(MAX_LINES);
    assert_eq!(problems_of_source("src/http.rs", &long), [""; 0]);
    let with_tests = format!("{long}#[cfg(test)]\nmod tests {{\n{}}}\n", "fn f() {}\n".repeat(MAX_LINES));
    assert_eq!(problems_of_source("src/http.rs", &with_tests), [""; 0]);
    let too_long = "src/http.rs:401: 401 lines before the tests, at most 400 are allowed";
    assert_eq!(problems_of_source("src/http.rs", &format!("{long}// more\n")), [too_long]);
    assert_eq!(problems_of_source("src/http.rs", &format!("\n{with_tests}")), [too_long]);

    let shape = "src/http/mod.rs:1: a module is `foo.rs` with a folder `foo`, not `mod.rs`";
    assert_eq!(problems_of_source("src/http/mod.rs", ""), [shape]);
    for source in ["#![allow(dead_code)]", "#![expect(dead_code)]", "#![cfg_attr(unix, allow(dead_code))]"] {
        let found = problems_of_source("src/lib.rs", source);
        assert!(found.len() == 1 && found[0].contains("#![allow]"), "{found:?}");
    }
    assert_eq!(problems_of_source("src/http.rs", "#[path = \"x.rs\"] mod x;").len(), 1);
    assert_eq!(problems_of_source("src/http.rs", "#[allow(dead_code)] fn f() {}"), [""; 0]);
}

#[test]
fn a_module_without_a_layer_and_a_layer_without_a_module_are_found() {
    let all: String = LAYERS.iter().flat_map(|layer| layer.iter()).map(|name| format!("pub mod {name};\n")).collect();
    assert_eq!(problems_of_layers(&all), [""; 0]);
    assert_eq!(
        problems_of_layers(&all.replacen("pub mod yaml;", "mod extra;", 1)),
        [
            "src/lib.rs:4: module `extra` is in 0 layers, not in one",
            "src/lib.rs:1: module `yaml` has a layer, and does not exist",
        ]
    );
}

#[test]
fn the_name_of_a_test_is_told_from_other_words_in_backticks() {
    let named = tests_named_in("`a_tag_is_read` `insecure` `src/a_b_c.rs` a_b_c `two_parts`");
    assert_eq!(named, BTreeSet::from(["a_tag_is_read".to_owned()]));
    assert_eq!(functions_of("// fn no() {}\nasync fn a() { \"fn no()\" }\nfn b() {}"), ["a", "b"]);
}

#[test]
fn a_path_in_a_document_that_does_not_exist_is_found() {
    let text = "See `src/lib.rs`, `src/lib.rs:12`, `src/gone.rs` and `crates/gone`.\n\n```\n`src/fenced.rs`\n```\n\
        `tests/<case>/before` and `charts/*/Chart.yaml`";
    let exists = |path: &str| ["src/lib.rs", "tests"].contains(&path);
    assert_eq!(
        problems_of_document("A.md", text, exists),
        ["A.md:1: `src/gone.rs` does not exist", "A.md:6: `charts/*/Chart.yaml` does not exist"]
    );
    assert_eq!(
        rows_of_layers("| layer | module |\n|---|---|\n| 0 | `a`, `b/` | x |"),
        [(0, "a".into()), (0, "b".into())]
    );
}
