//! Generated values files, each with one marked value, and tags; the same seed gives the same cases.

use std::fmt::Write as _;
use std::ops::Range;

/// A seeded generator (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    pub(crate) fn pick_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// A step to the value, as `serde_yaml` wants it.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
    /// Into the text that stands there.
    Text,
}

/// One generated edit.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) text: String,
    pub(crate) key: String,
    pub(crate) steps: Vec<Step>,
    /// The bytes that may change.
    pub(crate) value: Range<usize>,
    pub(crate) tag: String,
    /// Where else it is visible, and agreed to.
    pub(crate) shared: Vec<(String, Vec<Step>)>,
}

/// Makes a file of any kind that the editor knows: values, JSON, documents in a row, texts in texts, shared values.
pub(crate) fn any(random: &mut Random) -> Case {
    match random.below(8) {
        0 | 1 => json(random),
        2 | 3 => {
            let inner = if random.one_in(3) { json(random) } else { case(random) };
            within(random, inner)
        }
        4 => {
            let inner = json(random);
            let around = within(random, inner);
            within(random, around)
        }
        5 => shared(random),
        6 => {
            let mut first = case(random);
            let eol = if first.text.contains("\r\n") { "\r\n" } else { "\n" };
            if !first.text.ends_with('\n') {
                first.text.push_str(eol);
            }
            let next = ["---\ntag: v1\n", "---\n- a: &a 1\n- *a\n...\n---\n# nothing\n", "---\n{\"a\": [on, 0123]}\n"];
            first.text.push_str(&random.pick(&next).replace('\n', eol));
            first
        }
        _ => case(random),
    }
}

/// Makes a JSON file.
fn json(random: &mut Random) -> Case {
    let (eol, pad) = random.pick_of(&[("\n", "  "), ("\n", "\t"), ("\r\n", "    "), (" ", ""), ("", "")]);
    let colon = if eol.is_empty() { ":" } else { random.pick(&[": ", ":", " : "]) };
    let fillers = [
        r#""a": "\ud83d\ude00 \/ \u00e9\n""#,
        r#""n": [1e5, -0.0, 12345678901234567890, 0.10]"#,
        r#""t": {"true": true, "null": null}"#,
        r#""u": "über 😀 // # {""#,
        r#""e": {}"#,
    ];
    let (mut text, mut key, mut steps) = (String::from("{"), String::new(), Vec::new());
    let depth = random.below(3);
    let mut closing = Vec::new();
    for level in 0..=depth {
        let indent = format!("{eol}{}", pad.repeat(level + 1));
        for _ in 0..random.below(3) {
            let filler = random.pick(&fillers).replace(": ", colon);
            text.push_str(&format!("{indent}{filler},"));
        }
        let name = if level == depth { "tag" } else { random.pick(&["image", "web", "a.b"]) };
        text.push_str(&format!("{indent}\"{name}\"{colon}"));
        key.push_str(if level == 0 { "" } else { "." });
        key.push_str(&name.replace('.', "\\."));
        steps.push(Step::Key(name.to_owned()));
        let last = if random.one_in(2) {
            format!(",{indent}{}", random.pick(&fillers).replace(": ", colon))
        } else {
            String::new()
        };
        closing.push(format!("{last}{eol}{}}}", pad.repeat(level)));
        if level < depth {
            text.push('{');
        }
    }
    let old = random.pick(&["\"1.2.3\"", "1.20", "null", "true", "1e3", "\"\\u0031.0\"", "\"\""]);
    let value = text.len()..text.len() + old.len();
    text.push_str(old);
    closing.iter().rev().for_each(|end| text.push_str(end));
    text.push_str(random.pick(&["", "\n"]));
    Case { text, key, steps, value, tag: tag(random), shared: Vec::new() }
}

/// Puts a file into another one as a text.
fn within(random: &mut Random, inner: Case) -> Case {
    let Case { text: inner_text, key: inner_key, steps: inner_steps, value: inner_value, tag, shared } = inner;
    let mark = inner_text.len() - inner_text.trim_start_matches('\u{feff}').len();
    let is_line = !inner_text.trim_end_matches('\n').contains(['\n', '\r', '\t']);
    let style = match random.below(4) {
        0 => '"',
        1 if is_line => '\'',
        2 if is_line => '>',
        _ if inner_text.contains('\r') => '"',
        _ => '|',
    };
    let mut text = random.pick(&["", "# of the shop\n", "other: [on, ~]\n", "\u{feff}"]).to_owned();
    let name = random.pick(&["values", "config.json"]).to_owned();
    let indent = [1, 2, 4][random.below(3)];
    let head = match style {
        '|' | '>' => {
            let indicator = if random.one_in(3) { indent.to_string() } else { String::new() };
            format!("{style}{indicator}{}\n{}", random.pick(&["", "-", "+", " # text"]), " ".repeat(indent))
        }
        quote => quote.to_string(),
    };
    text.push_str(&format!("{name}: {head}"));
    let mut value = 0..0;
    let lines: Vec<&str> = inner_text[mark..].split('\n').collect();
    let is_blank = |at: usize| lines.get(at).is_none_or(|line| line.trim().is_empty());
    let mut line = 0;
    // The indentation of a first line that is empty would stand alone.
    if style == '|' && is_blank(0) {
        text.truncate(text.len() - indent);
    }
    for (at, c) in inner_text.char_indices().chain([(inner_text.len(), '\0')]) {
        if at == inner_value.start {
            value.start = text.len();
        }
        if at == inner_value.end {
            value.end = text.len();
        }
        if at == inner_text.len() || at < mark {
            continue;
        }
        match (style, c) {
            ('"', '"') => text.push_str("\\\""),
            ('"', '\\') => text.push_str("\\\\"),
            ('"', '\n') => text.push_str("\\n"),
            ('"', '\r') => text.push_str("\\r"),
            ('"', '\t') => text.push_str("\\t"),
            ('\'', '\'') => text.push_str("''"),
            ('\'' | '>', '\n') => {}
            ('|', '\n') => {
                line += 1;
                text.push('\n');
                if !is_blank(line) {
                    text.push_str(&" ".repeat(indent));
                }
            }
            // Blank lines in front of a text may not be longer than its indentation.
            ('|', ' ') if is_blank(line) => {}
            _ => text.push(c),
        }
    }
    text.push_str(match style {
        '"' => "\"",
        '\'' => "'",
        _ => "",
    });
    if !text.ends_with('\n') && !random.one_in(4) {
        text.push('\n');
    }
    if text.ends_with('\n') {
        text.push_str(random.pick(&["", "next: {a: 1} # behind\n", "tag: v1\n"]));
    }
    let outer = name.replace('.', "\\.");
    let steps = [Step::Key(name), Step::Text].into_iter().chain(inner_steps).collect();
    Case { text, key: format!("{outer}.{inner_key}"), steps, value, tag, shared }
}

/// Makes a file in which several places share a value.
fn shared(random: &mut Random) -> Case {
    let old = random.pick(&["1.2.3", "1.20", "\"v1\"", "'1.0'"]);
    let mut text =
        format!("{}x-image: &image\n  repository: acme/web\n", random.pick(&["", "# shared\n", "k: [a, b]\n"]));
    let anchor = random.pick(&["", "&tag "]);
    text.push_str(&format!("  tag: {anchor}"));
    let value = text.len()..text.len() + old.len();
    text.push_str(&format!("{old}{}", random.pick(&["\n", " # all of them\n"])));
    let key = |key: &str| Step::Key(key.to_owned());
    let mut places = vec![("x-image.tag".to_owned(), vec![key("x-image"), key("tag")])];
    for number in 0..1 + random.below(3) {
        let name = format!("s{number}");
        let (line, path, steps) = match random.below(if anchor.is_empty() { 3 } else { 4 }) {
            0 => (format!("{name}: *image\n"), format!("{name}.tag"), vec![key(&name), key("tag")]),
            1 => (
                format!("{name}:\n  <<: *image\n  on: true\n"),
                format!("{name}.tag"),
                vec![key(&name), key("<<"), key("tag")],
            ),
            2 => (
                format!("{name}: [x, {{image: *image}}]\n"),
                format!("{name}[1].image.tag"),
                vec![key(&name), Step::Index(1), key("image"), key("tag")],
            ),
            _ => (format!("{name}:\n- *tag\n"), format!("{name}[0]"), vec![key(&name), Step::Index(0)]),
        };
        text.push_str(&line);
        places.push((path, steps));
    }
    text.push_str(
        random
            .pick(&["", "own: {<<: *image, tag: 9.9.9}\n", "list: [*image-not]\n"])
            .replace("*image-not", "v1")
            .as_str(),
    );
    let (key, steps) = places[random.below(places.len())].clone();
    Case { text, key, steps, value, tag: tag(random), shared: places }
}

/// Makes a values file with one place to change, and a tag.
pub(crate) fn case(random: &mut Random) -> Case {
    let mut file = File { random, text: String::new(), value: 0..0, key: String::new(), steps: Vec::new(), fillers: 0 };
    file.head();
    let depth = file.random.below(4);
    file.fillers(0);
    file.nested(0, depth);
    file.fillers(0);
    if file.random.one_in(4) {
        file.text.truncate(file.text.trim_end_matches('\n').len().max(file.value.end));
    }
    let File { mut text, mut value, key, steps, .. } = file;
    if random.one_in(4) {
        let breaks = |part: &str| part.matches('\n').count();
        value = value.start + breaks(&text[..value.start])..value.end + breaks(&text[..value.end]);
        text = text.replace('\n', "\r\n");
    }
    Case { text, key, steps, value, tag: tag(random), shared: Vec::new() }
}

/// Makes a tag: mostly ordinary ones, and often what looks like something else.
pub(crate) fn tag(random: &mut Random) -> String {
    let number = |random: &mut Random, limit| random.below(limit).to_string();
    match random.below(12) {
        0 => random
            .pick(&[
                "y", "n", "yes", "No", "on", "OFF", "true", "False", "null", "~", "nan", ".nan", ".inf", "", "<<", "=",
            ])
            .to_owned(),
        1 => format!("{}.{}", number(random, 30), number(random, 30)),
        2 => format!("{}e{}", number(random, 99_999), number(random, 300)),
        3 => format!("{}{}", random.pick(&["0", "0x", "0b", "0o", "e", "."]), number(random, 999)),
        4 => format!("20{:02}-{:02}-{:02}", random.below(99), 1 + random.below(12), 1 + random.below(28)),
        5 => format!("{}:{:02}", number(random, 60), random.below(60)),
        6 => format!("{:07x}", random.next() & 0xfff_ffff),
        7 => format!("{}-{:07x}", random.pick(&["main", "sha", "pr-12", "2024"]), random.next() & 0xfff_ffff),
        8 => {
            let letters: Vec<char> = "0123456789abcdefxoABZnyt._-".chars().collect();
            (0..=random.below(12)).map(|_| letters[random.below(letters.len())]).collect()
        }
        _ => {
            let rest = random.pick(&["", "", "-alpine", "-rc.1", "-beta", "_2"]).to_owned();
            let v = random.pick(&["", "v"]).to_owned();
            format!("{v}{}.{}.{}{rest}", number(random, 20), number(random, 40), number(random, 200))
        }
    }
}

struct File<'r> {
    random: &'r mut Random,
    text: String,
    value: Range<usize>,
    key: String,
    steps: Vec<Step>,
    fillers: usize,
}

impl File<'_> {
    fn head(&mut self) {
        if self.random.one_in(10) {
            self.text.push('\u{feff}');
        }
        if self.random.one_in(5) {
            self.text.push_str("# values of the shop: \"quoted\", {flow}, tab\there\n");
        }
        if self.random.one_in(8) {
            self.text.push_str("---\n");
        }
    }

    fn pad(&mut self, indent: usize) {
        self.text.push_str(&" ".repeat(indent));
    }

    /// Writes lines that must stay: comments, blank lines, values of every kind.
    fn fillers(&mut self, indent: usize) {
        for _ in 0..self.random.below(4) {
            self.fillers += 1;
            let number = self.fillers;
            let filler = self.random.pick(&[
                "# a comment with 'quotes' and: colons\n",
                "\n",
                "   \n",
                "k#: 1.20   # trailing  \n",
                "k#: \"with # and \\u00e9\"\n",
                "k#: 'it''s'\n",
                "k#: {a: 1, b: [x, \"y\"], c: {}}\n",
                "k#: [on, 0123, 12:30, ~]\n",
                "k#: &x# shared\nl#: *x#\n",
                "k#:\n  - a\n  -   b # two\n  - c: d\n    e: f\n",
                "k#: |\n  line one\n\n  line # two\n",
                "k#: >-\n  folded\n  text\n",
                "k#: !!str 12\n",
                "k#:\n",
                "\"k#\" : über 😀\n",
                "k#: multi\n  line plain\n",
            ]);
            for line in filler.replace('#', &number.to_string()).lines() {
                let line = if filler.starts_with('#') { filler.trim_end() } else { line };
                if !line.trim().is_empty() {
                    self.pad(indent);
                }
                let _ = writeln!(self.text, "{line}");
            }
        }
    }

    fn nested(&mut self, indent: usize, depth: usize) {
        if depth == 0 {
            return self.place(indent);
        }
        let name = self.random.pick(&["image", "web", "my-app", "global", "app.name", "a_b"]).to_owned();
        let quote = self.random.pick(&["", "", "", "\"", "'"]).to_owned();
        if !self.key.is_empty() {
            self.key.push('.');
        }
        self.key.push_str(&name.replace('.', "\\."));
        self.steps.push(Step::Key(name.clone()));
        self.pad(indent);
        let _ = write!(self.text, "{quote}{name}{quote}:");
        match self.random.below(5) {
            0 => self.list(indent, depth),
            1 => self.flow(),
            _ => {
                self.text.push_str(self.random.pick(&["\n", "  # of the service\n"]));
                let deeper = indent + [2, 2, 4, 3][self.random.below(4)];
                self.fillers(deeper);
                self.nested(deeper, depth - 1);
                self.fillers(deeper);
            }
        }
    }

    fn list(&mut self, indent: usize, depth: usize) {
        self.text.push('\n');
        let deeper = indent + [0, 2][self.random.below(2)];
        let (before, after) = (self.random.below(3), self.random.below(2));
        for number in 0..before {
            self.pad(deeper);
            let _ = writeln!(self.text, "- name: other-{number}");
        }
        self.pad(deeper);
        self.text.push_str("- name: this\n");
        if self.random.one_in(2) {
            self.key.push_str("[name=this]");
        } else {
            let _ = write!(self.key, "[{before}]");
        }
        self.steps.push(Step::Index(before));
        self.nested(deeper + 2, depth - 1);
        for number in 0..after {
            self.pad(deeper);
            let _ = writeln!(self.text, "- name: later-{number}");
        }
    }

    fn flow(&mut self) {
        self.text.push_str(self.random.pick(&[" {", " { repository: r/a, ", " {\"repository\": \"r\", "]));
        self.text.push_str(self.random.pick(&["tag: ", "\"tag\": "]));
        self.key.push_str(".tag");
        self.steps.push(Step::Key("tag".to_owned()));
        let old = self.random.pick(&["1.2.3", "\"1.2\"", "'v1'", "1.20", "null", "~"]);
        self.value = self.text.len()..self.text.len() + old.len();
        self.text.push_str(old);
        self.text.push_str(self.random.pick(&["}\n", " }  # flow\n", ", pullPolicy: Always}\n"]));
    }

    fn place(&mut self, indent: usize) {
        self.pad(indent);
        let name = self.random.pick(&["tag", "image", "version", "newTag"]).to_owned();
        if !self.key.is_empty() {
            self.key.push('.');
        }
        self.key.push_str(&name);
        self.steps.push(Step::Key(name.clone()));
        let _ = write!(self.text, "{name}:");
        match self.random.below(8) {
            0 => {
                self.value = self.text.len()..self.text.len();
                self.text.push_str(self.random.pick(&["\n", "   # none yet\n", " \n"]));
            }
            1 => {
                self.text.push(' ');
                let start = self.text.len();
                let head = self.random.pick(&["|", ">-", "|-", "|+", "|  # block", ">2"]);
                let indent = if head == ">2" { indent + 2 } else { indent + 2 + self.random.below(3) };
                let _ = write!(self.text, "{head}\n{}1.2.3", " ".repeat(indent));
                self.value = start..self.text.len();
                self.text.push('\n');
            }
            _ => {
                self.text.push_str(self.random.pick(&[" ", "  ", " &anchor ", " !!str ", " \t"]));
                let old = self.random.pick(&[
                    "1.2.3",
                    "v1.2.3",
                    "1.20",
                    "\"1.2.3\"",
                    "'1.2.3'",
                    "~",
                    "\"a\\u0062\"",
                    "latest",
                    "0x10",
                ]);
                let tagged = self.text.ends_with("!!str ");
                let old = if tagged && old == "~" { "x" } else { old };
                self.value = self.text.len()..self.text.len() + old.len();
                self.text.push_str(old);
                self.text.push_str(self.random.pick(&["\n", " # pinned\n", "\t# tab\n", "  \n"]));
            }
        }
    }
}
