//! Go templates as ApplicationSets with `goTemplate: true` use them: parsed, and evaluated over parameters.
//!
//! Evaluates text/template without named templates, and the functions of [`functions`]; whatever else is refused by name.
//! No function sees a file, a clock, the network or the environment.

mod emit;
mod functions;
mod lists;
mod parse;
mod texts;
mod words;

use crate::manifest::argocd::value::{Text, Value};

use parse::{Part, Pipeline, Term};

pub(super) use texts::normalize;

/// How many steps all templates of one ApplicationSet may take.
pub(super) const MAX_STEPS: usize = 2_000_000;
/// How long one text may get, in bytes.
pub(super) const MAX_TEXT: usize = 1024 * 1024;
/// What it costs to compile an expression.
const EXPRESSION: usize = 100;
/// How deep one value may get: a parameter that is as deep as a file may be, and as much around it.
const MAX_DEPTH: usize = 2 * crate::yaml::MAX_DEPTH;

/// Why a template gives nothing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fault {
    /// Argo CD may evaluate it, and repin does not.
    Unsupported(String),
    /// Argo CD refuses it as well.
    Invalid(String),
}

/// What a look-up of a key that is not there gives.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum MissingKey {
    /// No value.
    #[default]
    Null,
    /// An error (`missingkey=error`).
    Error,
}

/// What the templates of one ApplicationSet may still cost.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) steps: usize,
}

impl Budget {
    /// Tells whether nothing more will be rendered.
    pub(super) fn is_spent(&self) -> bool {
        self.steps == 0
    }

    /// Pays for a value by all that is in it, before it is copied: what holds itself twice grows to twice its size.
    pub(super) fn pay_for(&mut self, value: &Value) -> Result<(), Fault> {
        self.pay_within(value, MAX_DEPTH)
    }

    fn pay_within(&mut self, value: &Value, depth: usize) -> Result<(), Fault> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(Fault::Unsupported(format!("a value is nested deeper than {MAX_DEPTH} levels")));
        };
        match value {
            Value::Text(text) => self.take(text.as_str().len() / 64 + text.pieces().len() / 2),
            Value::List(items) => {
                self.take(items.len())?;
                items.iter().try_for_each(|item| self.pay_within(item, depth))
            }
            Value::Map(map) => {
                self.take(map.len())?;
                map.values().try_for_each(|item| self.pay_within(item, depth))
            }
            Value::Null | Value::Bool(..) | Value::Number(..) => Ok(()),
        }
    }

    pub(super) fn take(&mut self, steps: usize) -> Result<(), Fault> {
        let Some(left) = self.steps.checked_sub(steps) else {
            self.steps = 0;
            let message = format!("the templates of this ApplicationSet take more than {MAX_STEPS} steps");
            return Err(Fault::Unsupported(message));
        };
        self.steps = left;
        Ok(())
    }
}

/// Renders a template over its parameters.
pub(super) fn render(text: &str, dot: &Value, missing: MissingKey, budget: &mut Budget) -> Result<Text, Fault> {
    let parts = parse::parse(text).map_err(|why| Fault::Unsupported(format!("`{}`: {why}", shortened(text))))?;
    let mut run = Run { missing, budget, root: dot, variables: Vec::new(), out: Text::default() };
    run.parts(&parts, dot)?;
    Ok(run.out)
}

/// Gives the start of a text, for messages.
pub(super) fn shortened(text: &str) -> String {
    let line: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(121).collect();
    if line.chars().count() > 120 { format!("{}…", line.chars().take(120).collect::<String>()) } else { line }
}

/// Whether a loop goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Run<'b> {
    missing: MissingKey,
    budget: &'b mut Budget,
    /// What `$` is.
    root: &'b Value,
    /// The variables in scope, the last one first.
    variables: Vec<(String, Value)>,
    out: Text,
}

impl Run<'_> {
    fn parts(&mut self, parts: &[Part], dot: &Value) -> Result<Flow, Fault> {
        let scope = self.variables.len();
        let mut flow = Flow::On;
        for part in parts {
            flow = self.part(part, dot)?;
            if flow != Flow::On {
                break;
            }
        }
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn part(&mut self, part: &Part, dot: &Value) -> Result<Flow, Fault> {
        self.budget.take(1)?;
        match part {
            Part::Text(text) => self.out.push_str(text),
            Part::Print(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    self.out.push(&value.shown());
                }
            }
            Part::If(branches, otherwise) => {
                for (condition, body) in branches {
                    let scope = self.variables.len();
                    let is_met = self.pipeline(condition, dot)?.is_full();
                    let flow = if is_met { Some(self.parts(body, dot)?) } else { None };
                    self.variables.truncate(scope);
                    if let Some(flow) = flow {
                        return Ok(flow);
                    }
                }
                return self.parts(otherwise, dot);
            }
            Part::With(pipeline, body, otherwise) => {
                let scope = self.variables.len();
                let value = self.pipeline(pipeline, dot)?;
                let flow = if value.is_full() { self.parts(body, &value) } else { self.parts(otherwise, dot) };
                self.variables.truncate(scope);
                return flow;
            }
            Part::Range(pipeline, body, otherwise) => return self.range(pipeline, body, otherwise, dot),
            Part::Break => return Ok(Flow::Break),
            Part::Continue => return Ok(Flow::Continue),
        }
        if self.out.as_str().len() > MAX_TEXT {
            return Err(Fault::Unsupported(format!("a template gives more than {MAX_TEXT} bytes")));
        }
        Ok(Flow::On)
    }

    fn range(&mut self, pipeline: &Pipeline, body: &[Part], otherwise: &[Part], dot: &Value) -> Result<Flow, Fault> {
        let whole = Pipeline { variables: Vec::new(), ..pipeline.clone() };
        let items: Vec<(Value, Value)> = match self.pipeline(&whole, dot)? {
            Value::List(items) => {
                items.into_iter().enumerate().map(|(index, item)| (Value::number(index as f64), item)).collect()
            }
            Value::Map(map) => map.into_iter().map(|(key, item)| (Value::text(key), item)).collect(),
            Value::Null => Vec::new(),
            other => return Err(Fault::Invalid(format!("`range {}` cannot go over {}", pipeline.shown, other.kind()))),
        };
        if items.is_empty() {
            return self.parts(otherwise, dot);
        }
        let scope = self.variables.len();
        for (key, item) in items {
            match pipeline.variables.as_slice() {
                [] => {}
                [one] => self.variables.push((one.clone(), item.clone())),
                [one, two, ..] => {
                    self.variables.push((one.clone(), key));
                    self.variables.push((two.clone(), item.clone()));
                }
            }
            let flow = self.parts(body, &item)?;
            self.variables.truncate(scope);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, Fault> {
        let mut last: Option<Value> = None;
        for command in &pipeline.commands {
            last = Some(self.command(command, last, dot)?);
        }
        let value = last.unwrap_or_default();
        if let Some(name) = pipeline.variables.first() {
            let known = self.variables.iter_mut().rev().find(|(known, _)| known == name);
            match known.filter(|_| !pipeline.is_declared) {
                Some((_, slot)) => *slot = value.clone(),
                None if pipeline.is_declared => self.variables.push((name.clone(), value.clone())),
                None => return Err(Fault::Invalid(format!("the variable `${name}` is not declared"))),
            }
        }
        Ok(value)
    }

    fn command(&mut self, command: &[Term], last: Option<Value>, dot: &Value) -> Result<Value, Fault> {
        self.budget.take(1)?;
        let Some((first, rest)) = command.split_first() else { return Ok(last.unwrap_or_default()) };
        let Term::Function(name) = first else {
            if !rest.is_empty() || last.is_some() {
                return Err(Fault::Invalid("a value that is no function is given arguments".to_owned()));
            }
            return self.term(first, dot);
        };
        // These two look no further than they need.
        if matches!(name.as_str(), "and" | "or") {
            let mut value = Value::Null;
            for term in rest {
                value = self.term(term, dot)?;
                if value.is_full() == (name == "or") {
                    return Ok(value);
                }
            }
            return Ok(last.unwrap_or(value));
        }
        let mut arguments = Vec::with_capacity(rest.len() + 1);
        for term in rest {
            arguments.push(self.term(term, dot)?);
        }
        arguments.extend(last);
        if name.contains("egex") {
            self.budget.take(EXPRESSION)?;
        }
        let value = functions::call(name, &arguments, self.missing)?;
        self.budget.pay_for(&value)?;
        match &value {
            Value::Text(text) if text.as_str().len() > MAX_TEXT => {
                Err(Fault::Unsupported(format!("`{name}` gives more than {MAX_TEXT} bytes")))
            }
            _ => Ok(value),
        }
    }

    fn term(&mut self, term: &Term, dot: &Value) -> Result<Value, Fault> {
        self.budget.take(1)?;
        match term {
            Term::Dot => self.budget.pay_for(dot).map(|()| dot.clone()),
            Term::Literal(value) => self.budget.pay_for(value).map(|()| value.clone()),
            Term::Variable(name) if name.is_empty() => self.budget.pay_for(self.root).map(|()| self.root.clone()),
            Term::Variable(name) => {
                let found = self.variables.iter().rev().find(|(known, _)| known == name);
                let (_, value) =
                    found.ok_or_else(|| Fault::Invalid(format!("the variable `${name}` is not declared")))?;
                self.budget.pay_for(value).map(|()| value.clone())
            }
            Term::Function(_) => self.command(std::slice::from_ref(term), None, dot),
            Term::Pipeline(pipeline) => self.pipeline(pipeline, dot),
            // The way to a field is gone without a copy of what it leads through.
            Term::Field(..) => {
                let mut names = Vec::new();
                let mut base = term;
                while let Term::Field(inner, name) = base {
                    names.push(name.as_str());
                    base = inner;
                }
                names.reverse();
                let held;
                let mut value = match base {
                    Term::Dot => dot,
                    Term::Variable(name) if name.is_empty() => self.root,
                    other => {
                        held = self.term(other, dot)?;
                        &held
                    }
                };
                for name in names {
                    value = match value {
                        Value::Map(map) => match (map.get(name), self.missing) {
                            (Some(value), _) => value,
                            (None, MissingKey::Null) => &Value::Null,
                            (None, MissingKey::Error) => {
                                return Err(Fault::Invalid(format!("there is no parameter `{name}`")));
                            }
                        },
                        other => {
                            return Err(Fault::Invalid(format!("`{name}` is looked up in {}", other.kind())));
                        }
                    };
                }
                self.budget.pay_for(value).map(|()| value.clone())
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::manifest::argocd::yaml_text;

    const PARAMETERS: &str = "{name: web, tag: v1.2.0, empty: '', n: 3, on: true, list: [a, b, c], numbers: [1, 2.5], \
        image: {repository: ghcr.io/acme/web, tag: '1.10'}, path: {path: apps/web, basename: web_app, segments: [apps, web]}, \
        labels: {app.kubernetes.io/name: web}, none: null, Long: 'Feature/ABC_some-long branch name'}";

    fn run(template: &str, missing: MissingKey) -> Result<Text, Fault> {
        let dot = yaml_text::read(&Text::plain(PARAMETERS)).unwrap();
        render(template, &dot, missing, &mut Budget { steps: 10_000 })
    }

    #[track_caller]
    fn check(cases: &[(&str, &str)]) {
        let wrong: Vec<String> = cases
            .iter()
            .filter_map(|(template, expected)| match run(template, MissingKey::Null) {
                Ok(text) if text.as_str() == *expected => None,
                other => Some(format!("{template}: {other:?}, expected {expected:?}")),
            })
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn rarer_functions_do_what_sprig_has_them_do() {
        check(&[
            ("{{ title \"web app_x 2go\" }} {{ untitle \"Web App\" }}", "Web App_x 2go web app"),
            ("{{ abbrev 8 \"abcdefghij\" }} {{ abbrev 20 .name }}", "abcde... web"),
            ("{{ b64enc .name }} {{ \"d2Vi\" | b64dec }}", "d2Vi web"),
            ("{{ sha256sum \"\" | trunc 8 }}", "e3b0c442"),
            ("{{ (splitn \"/\" 2 \"a/b/c\")._1 }}", "b/c"),
            ("{{ .numbers | toStrings | join \"-\" }}", "1-2.5"),
            ("{{ regexQuoteMeta \"v1.2+a-b\" }}", "v1\\.2\\+a-b"),
            ("{{ regexFindAll \"[0-9]+\" .tag -1 }} {{ mustRegexFindAll \"[0-9]+\" .tag 2 }}", "[1 2 0] [1 2]"),
            ("{{ regexSplit \"[./]\" .image.repository 2 }}", "[ghcr io/acme/web]"),
            ("{{ all .on .name }} {{ any .empty .none }} {{ any .empty .on }}", "true false true"),
            ("{{ floor 2.7 }} {{ ceil 2.1 }}", "2 3"),
            ("{{ chunk 2 .list }}", "[[a b] [c]]"),
            ("{{ pluck \"tag\" .image .labels }} {{ (deepCopy .image).tag }}", "[1.10] 1.10"),
            ("{{ slice .list 1 }} {{ slice .list 0 2 }} {{ mustSlice .list 3 }}", "[b c] [a b] []"),
            ("{{ untilStep 3 9 3 }} {{ untilStep 0 -2 -1 }} {{ untilStep 1 5 0 }}", "[3 6] [0 -1] []"),
            ("{{ mustUniq .list }} {{ mustHas \"b\" .list }} {{ mustToJson .numbers }}", "[a b c] true [1,2.5]"),
        ]);
        for wrong in [
            "{{ slice .list 2 9 }}",
            "{{ b64dec \"%\" }}",
            "{{ chunk 0 .list }}",
            "{{ must .list }}",
            "{{ untilStep 0 99999 1 }}",
            "{{ regexSplit \"a*\" .name -1 }}",
        ] {
            assert!(run(wrong, MissingKey::Null).is_err(), "{wrong}");
        }
    }

    #[test]
    fn fields_pipelines_and_literals_are_evaluated() {
        check(&[
            ("{{.name}}-{{ .image.tag }}", "web-1.10"),
            ("{{ $.name }}{{- .tag -}} !", "webv1.2.0!"),
            ("{{ (.image).repository }}", "ghcr.io/acme/web"),
            ("{{ .missing }}", "<no value>"),
            ("{{ .none }}", "<no value>"),
            ("{{ .n }} {{ .on }} {{ .list }} {{ .numbers }}", "3 true [a b c] [1 2.5]"),
            ("{{ .image }}", "map[repository:ghcr.io/acme/web tag:1.10]"),
            ("{{ index .path.segments 1 }}", "web"),
            ("{{ index .labels \"app.kubernetes.io/name\" }}", "web"),
            ("{{ index .labels \"x\" }}", "<no value>"),
            ("{{ `{{ raw }}` }}{{ \"a\\\"b\\n\" }}", "{{ raw }}a\"b\n"),
            ("{{/* said }} nothing */}}x", "x"),
            ("{{ 1000000 }} {{ 0.00001 }} {{ -2 }} {{ 1.50 }}", "1e+06 1e-05 -2 1.5"),
            ("{{ $x := .name }}{{ $x = upper $x }}{{ $x }}", "WEB"),
            ("{{ printf \"%s:%s\" .image.repository .tag }}", "ghcr.io/acme/web:v1.2.0"),
            ("{{ printf \"%03d|%-5s|%5s|%v|%q|%%\" 7 \"a\" \"b\" true \"c\" }}", "007|a    |    b|true|\"c\"|%"),
        ]);
    }

    #[test]
    fn blocks_are_evaluated() {
        check(&[
            ("{{ if .on }}a{{ else }}b{{ end }}", "a"),
            ("{{ if .empty }}a{{ else if eq .name \"web\" }}b{{ else }}c{{ end }}", "b"),
            ("{{ if and .on (eq .n 3) (not .empty) }}a{{ end }}", "a"),
            ("{{ if or .empty .missing }}a{{ else }}b{{ end }}", "b"),
            ("{{ with .image }}{{ .tag }} {{ $.name }}{{ end }}{{ with .empty }}x{{ else }}y{{ end }}", "1.10 weby"),
            ("{{ range .list }}{{ . }},{{ end }}", "a,b,c,"),
            ("{{ range $i, $x := .list }}{{ if eq $i 1 }}{{ continue }}{{ end }}{{ $i }}{{ $x }}{{ end }}", "0a2c"),
            ("{{ range $k, $v := .image }}{{ $k }}={{ $v }};{{ end }}", "repository=ghcr.io/acme/web;tag=1.10;"),
            ("{{ range .missing }}x{{ else }}none{{ end }}", "none"),
            ("{{ range .list }}{{ . }}{{ break }}{{ end }}", "a"),
            ("a:\n{{- range .list }}\n- {{ . }}\n{{- end }}\n", "a:\n- a\n- b\n- c\n"),
            ("{{ if $x := .name }}{{ $x }}{{ end }}", "web"),
            ("{{ if ne .name \"api\" }}{{ if lt .n 4 }}{{ if ge .n 3 }}y{{ end }}{{ end }}{{ end }}", "y"),
        ]);
    }

    #[test]
    fn the_functions_that_applicationsets_use_do_what_sprig_does() {
        check(&[
            ("{{ default \"x\" .empty }}{{ .name | default \"x\" }}{{ .missing | default 5 }}", "xweb5"),
            ("{{ coalesce .empty .missing .tag }}", "v1.2.0"),
            ("{{ ternary \"a\" \"b\" .on }}{{ .on | ternary \"a\" \"b\" }}", "aa"),
            ("{{ upper .name }}{{ lower \"AB\" }}{{ trim \" a \" }}{{ nospace \"a b c\" }}", "WEBabaabc"),
            ("{{ trimPrefix \"v\" .tag }} {{ .tag | trimSuffix \".0\" }} {{ trimAll \"$\" \"$5$\" }}", "1.2.0 v1.2 5"),
            ("{{ .tag | replace \".\" \"-\" }} {{ repeat 2 \"ab\" }} {{ substr 0 3 .tag }}", "v1-2-0 abab v1."),
            ("{{ trunc 2 .name }} {{ trunc -2 .name }} {{ trunc 9 .name }}", "we eb web"),
            ("{{ contains \"e\" .name }} {{ hasPrefix \"w\" .name }} {{ hasSuffix \"x\" .name }}", "true true false"),
            ("{{ quote .name }} {{ squote .name }} {{ cat \"a\" \"b\" }}", "\"web\" 'web' a b"),
            ("{{ splitList \"/\" .path.path | last }} {{ (split \"/\" .path.path)._0 }}", "web apps"),
            ("{{ join \"-\" .list }} {{ first .list }} {{ rest .list }} {{ initial .list }}", "a-b-c a [b c] [a b]"),
            (
                "{{ len .list }} {{ has \"b\" .list }} {{ without .list \"a\" }} {{ uniq (list 1 1 2) }}",
                "3 true [b c] [1 2]",
            ),
            (
                "{{ append .list \"d\" }} {{ prepend .list \"z\" }} {{ concat .list .list | len }}",
                "[a b c d] [z a b c] 6",
            ),
            ("{{ dig \"image\" \"tag\" \"x\" . }} {{ dig \"image\" \"none\" \"x\" . }}", "1.10 x"),
            ("{{ (dict \"a\" 1 \"b\" \"c\").b }} {{ get .image \"tag\" }} {{ hasKey .image \"x\" }}", "c 1.10 false"),
            (
                "{{ keys .image }} {{ (pick .image \"tag\") }} {{ omit .image \"tag\" | values }}",
                "[repository tag] map[tag:1.10] [ghcr.io/acme/web]",
            ),
            ("{{ (merge (dict \"a\" 1) (dict \"a\" 2 \"b\" 3)).a }}", "1"),
            ("{{ add 1 2 3 }} {{ sub 5 2 }} {{ mul 2 3 }} {{ div 7 2 }} {{ mod 7 2 }} {{ max 1 9 }}", "6 3 6 3 1 9"),
            ("{{ int \"12\" }} {{ toString 5 }} {{ until 3 }} {{ kindIs \"string\" .name }}", "12 5 [0 1 2] true"),
            (
                "{{ normalize .path.basename }} {{ normalize \"-A/b.\" }} {{ base .path.path }} {{ dir .path.path }}",
                "web-app a-b web apps",
            ),
            ("{{ .Long | slugify }}", "feature-abc_some-long-branch-name"),
            ("{{ .Long | slugify 23 }}", "feature-abc_some-long"),
            ("{{ .Long | slugify 18 false }}", "feature-abc_some-l"),
            ("{{ toJson .image }}", r#"{"repository":"ghcr.io/acme/web","tag":"1.10"}"#),
            ("{{ toYaml .image }}", "repository: ghcr.io/acme/web\ntag: \"1.10\""),
            ("a:{{ .list | toYaml | nindent 2 }}", "a:\n  - a\n  - b\n  - c"),
            ("{{ (fromYaml \"a: {b: c}\").a.b }}{{ (fromJson `{\"x\": 1}`).x }}", "c1"),
            ("{{ regexReplaceAll \"^v(.*)$\" .tag \"${1}\" }} {{ regexMatch \"^v\" .tag }}", "1.2.0 true"),
        ]);
    }

    #[test]
    fn what_argo_cd_refuses_and_what_is_not_evaluated_are_told_apart() {
        for (template, expected) in [
            ("{{ .image.x.y }}", "invalid: `y` is looked up in null"),
            ("{{ .name.x }}", "invalid: `x` is looked up in a text"),
            ("{{ $x }}", "invalid: the variable `$x` is not declared"),
            ("{{ eq .name 1 }}", "invalid: `eq` cannot compare a text and a number"),
            ("{{ index .list 7 }}", "invalid: the index 7 is beyond the 3 items"),
            ("{{ upper 1 }}", "invalid: `upper` wants a text and is given a number"),
            ("{{ fail \"no\" }}", "invalid: it fails by itself: no"),
            ("{{ genUUID }}", "unsupported: the function `genUUID` is not evaluated"),
            ("{{ env \"HOME\" }}", "unsupported: the function `env` is not evaluated"),
            ("{{ template \"x\" }}", "unsupported: `{{ template \"x\" }}`: `template` is not evaluated"),
            ("{{ if .on }}x", "unsupported: `{{ if .on }}x`: `{{if .on}}` has no `{{end}}`"),
            ("{{ .name", "unsupported: `{{ .name`: an action without `}}`"),
            ("{{ printf \"%x\" 5 }}", "unsupported: `printf` with `%x` of a number"),
            ("{{ repeat 10000 (repeat 100 \"abcdefgh\") }}", "unsupported: `repeat` gives more than 65536 bytes"),
            (
                "{{ range until 9999 }}{{ range until 9999 }}x{{ end }}{{ end }}",
                "unsupported: the templates of this ApplicationSet take more than 2000000 steps",
            ),
        ] {
            let shown = match run(template, MissingKey::Null) {
                Ok(text) => text.as_str().to_owned(),
                Err(Fault::Invalid(why)) => format!("invalid: {why}"),
                Err(Fault::Unsupported(why)) => format!("unsupported: {why}"),
            };
            assert_eq!(shown, expected, "{template}");
        }
        assert_eq!(run("{{ .x }}", MissingKey::Error), Err(Fault::Invalid("there is no parameter `x`".to_owned())));
        assert_eq!(run("{{ dig \"x\" \"y\" . }}", MissingKey::Error).unwrap().as_str(), "y");
    }

    #[test]
    fn a_template_that_grows_without_end_is_cut() {
        let doubled =
            |start: &str, step: &str| format!("{{{{ $x := {start} }}}}{}", format!("{{{{ $x = {step} }}}}").repeat(60));
        let long = "a".repeat(60_000);
        for (what, template, expected) in [
            ("a list of itself", doubled("list 1", "list $x $x"), "take more than"),
            ("a map of itself", doubled("dict \"a\" 1", "dict \"a\" $x \"b\" $x"), "take more than"),
            (
                "a list in a list",
                "{{ $x := list 1 }}{{ range until 5000 }}{{ $x = list $x }}{{ end }}".to_owned(),
                "nested deeper than",
            ),
            (
                "a text for each letter",
                format!("{{{{ replace \"a\" \"{long}\" \"{long}\" }}}}"),
                "`replace` gives more",
            ),
            (
                "a text between letters",
                format!("{{{{ splitList \"\" \"{long}\" | join \"{long}\" }}}}"),
                "`join` gives more",
            ),
            (
                "a match many times",
                format!("{{{{ regexReplaceAll \".*\" \"{long}\" \"{}\" }}}}", "${0}".repeat(1_000)),
                "`regexReplaceAll` gives more",
            ),
            ("blanks for lines", format!("{{{{ indent 1000 \"{}\" }}}}", "\\n".repeat(5_000)), "`indent` gives more"),
            (
                "blocks in blocks",
                format!("{{{{with .a}}}}{}{{{{end}}}}", "{{else with .a}}".repeat(20_000)),
                "nested deeper",
            ),
            ("fields of fields", format!("{{{{ {} }}}}", ".a".repeat(100_000)), "fields follow each other"),
        ] {
            let found = render(&template, &Value::Null, MissingKey::Null, &mut Budget { steps: 100_000 });
            let Err(Fault::Unsupported(why)) = found else { panic!("{what} is rendered") };
            assert!(why.contains(expected), "{what}: {why}");
        }
        // What has no letters has its pieces.
        let address = crate::model::address::Address::first("a".parse().unwrap());
        let origin = crate::model::origin::Origin { base: None, file: "a".parse().unwrap(), address, line: 1 };
        let dot = Value::Map([("e".to_owned(), Value::Text(Text::whole("", Some(origin.into()))))].into());
        let found = render(&doubled(".e", "print $x $x"), &dot, MissingKey::Null, &mut Budget { steps: 100_000 });
        assert!(matches!(&found, Err(Fault::Unsupported(why)) if why.contains("take more than")), "pieces");
    }
}
