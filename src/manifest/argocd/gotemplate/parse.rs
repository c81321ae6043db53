//! Go's text/template as a tree: actions, pipelines, `if`, `with`, `range`, variables, comments and trim markers.
//!
//! Spec: <https://pkg.go.dev/text/template>. Not read: `define`, `template` and `block`, which name other templates.

use crate::manifest::argocd::value::Value;

/// Deepest nesting of blocks and parentheses.
const MAX_DEPTH: usize = 50;
/// How many fields may follow each other, as in `.a.b.c`.
const MAX_FIELDS: usize = 200;

/// A part of a template.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Text(String),
    Print(Pipeline),
    If(Vec<(Pipeline, Vec<Part>)>, Vec<Part>),
    With(Pipeline, Vec<Part>, Vec<Part>),
    Range(Pipeline, Vec<Part>, Vec<Part>),
    Break,
    Continue,
}

/// Commands of which each gets what the one before gave.
#[derive(Clone, Debug, Default)]
pub(super) struct Pipeline {
    /// The variables that it sets.
    pub(super) variables: Vec<String>,
    /// Whether they are declared, or were before.
    pub(super) is_declared: bool,
    pub(super) commands: Vec<Vec<Term>>,
    /// Its text, for messages.
    pub(super) shown: String,
}

/// An operand.
#[derive(Clone, Debug)]
pub(super) enum Term {
    Dot,
    Variable(String),
    Literal(Value),
    Function(String),
    Pipeline(Pipeline),
    Field(Box<Term>, String),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Field(String),
    Dot,
    Variable(String),
    Literal(Value),
    Open,
    Close,
    Pipe,
    Declare,
    Assign,
    Comma,
}

/// Where a block ends.
#[derive(Debug)]
enum End {
    Text,
    Close,
    Else,
    ElseIf(Pipeline),
    ElseWith(Pipeline),
}

/// Reads a template.
pub(super) fn parse(text: &str) -> Result<Vec<Part>, String> {
    let mut parser = Parser { rest: text, trims: false, depth: 0 };
    match parser.block()? {
        (parts, End::Text) => Ok(parts),
        (_, End::Close) => Err("`{{end}}` ends nothing".to_owned()),
        (_, End::Else | End::ElseIf(_) | End::ElseWith(_)) => Err("`{{else}}` belongs to nothing".to_owned()),
    }
}

struct Parser<'a> {
    rest: &'a str,
    /// The last action ends with `-}}`.
    trims: bool,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn block(&mut self) -> Result<(Vec<Part>, End), String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("blocks are nested deeper than {MAX_DEPTH} levels"));
        }
        let mut parts = Vec::new();
        let end = loop {
            let Some(at) = self.rest.find("{{") else {
                parts.push(Part::Text(self.literal(self.rest, false)));
                self.rest = "";
                break End::Text;
            };
            let (before, after) =
                (self.rest.get(..at).unwrap_or_default(), self.rest.get(at + 2..).unwrap_or_default());
            let trims = after.starts_with('-') && after[1..].starts_with(char::is_whitespace);
            parts.push(Part::Text(self.literal(before, trims)));
            let action = self.action(if trims { &after[1..] } else { after })?;
            match self.part(action, &mut parts)? {
                Some(end) => break end,
                None => continue,
            }
        };
        self.depth -= 1;
        Ok((parts, end))
    }

    fn literal(&self, text: &str, trims_after: bool) -> String {
        let text = if self.trims { text.trim_start() } else { text };
        if trims_after { text.trim_end() } else { text }.to_owned()
    }

    /// Takes an action up to `}}`, which may stand in its texts and comments.
    fn action(&mut self, text: &'a str) -> Result<&'a str, String> {
        let trimmed = text.trim_start();
        if trimmed.starts_with("/*") {
            let end = trimmed.find("*/").ok_or("a comment without `*/`")?;
            let after = trimmed.get(end + 2..).unwrap_or_default();
            let close = after.find("}}").ok_or("an action without `}}`")?;
            self.trims = after.get(..close).unwrap_or_default().trim_start().starts_with('-');
            self.rest = after.get(close + 2..).unwrap_or_default();
            return Ok("");
        }
        let mut quote = None;
        let mut escaped = false;
        for (at, c) in text.char_indices() {
            match quote {
                Some('`') if c == '`' => quote = None,
                Some('`') => {}
                Some(_) if escaped => escaped = false,
                Some(_) if c == '\\' => escaped = true,
                Some(open) if c == open => quote = None,
                Some(_) => {}
                None if matches!(c, '"' | '\'' | '`') => quote = Some(c),
                None if c == '}' && text.get(at..).is_some_and(|rest| rest.starts_with("}}")) => {
                    let inner = text.get(..at).unwrap_or_default();
                    let cut = inner.strip_suffix('-').filter(|inner| inner.ends_with(char::is_whitespace));
                    self.trims = cut.is_some();
                    self.rest = text.get(at + 2..).unwrap_or_default();
                    let inner = cut.unwrap_or(inner).trim();
                    return if inner.is_empty() { Err("an action is empty".to_owned()) } else { Ok(inner) };
                }
                None => {}
            }
        }
        Err("an action without `}}`".to_owned())
    }

    /// Reads one action; gives the end of the block if it is one.
    fn part(&mut self, action: &str, parts: &mut Vec<Part>) -> Result<Option<End>, String> {
        if action.is_empty() {
            return Ok(None);
        }
        let (word, rest) = action.split_once(char::is_whitespace).unwrap_or((action, ""));
        match word {
            "if" => {
                let mut branches = Vec::new();
                let mut condition = pipeline(rest)?;
                let otherwise = loop {
                    let (body, end) = self.block()?;
                    branches.push((condition, body));
                    match end {
                        End::ElseIf(next) => condition = next,
                        End::Else => break self.rest()?,
                        End::Close => break Vec::new(),
                        End::Text | End::ElseWith(_) => return Err(format!("`{{{{{action}}}}}` has no `{{{{end}}}}`")),
                    }
                };
                parts.push(Part::If(branches, otherwise));
            }
            "with" | "range" => {
                let pipeline = pipeline(rest)?;
                let (body, otherwise) = self.body(action)?;
                parts.push(match word {
                    "with" => Part::With(pipeline, body, otherwise),
                    _ => Part::Range(pipeline, body, otherwise),
                });
            }
            "end" => return Ok(Some(End::Close)),
            "else" => {
                let rest = rest.trim();
                let (word, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                return match word {
                    "" => Ok(Some(End::Else)),
                    "if" => Ok(Some(End::ElseIf(pipeline(rest)?))),
                    "with" => Ok(Some(End::ElseWith(pipeline(rest)?))),
                    _ => Err(format!("`{{{{{action}}}}}` is no `else`")),
                };
            }
            "break" => parts.push(Part::Break),
            "continue" => parts.push(Part::Continue),
            "define" | "template" | "block" => return Err(format!("`{word}` is not evaluated")),
            _ => parts.push(Part::Print(pipeline(action)?)),
        }
        Ok(None)
    }

    fn body(&mut self, action: &str) -> Result<(Vec<Part>, Vec<Part>), String> {
        match self.block()? {
            (body, End::Close) => Ok((body, Vec::new())),
            (body, End::Else) => Ok((body, self.rest()?)),
            (body, End::ElseWith(next)) => {
                // Each `else with` stands in the one before it.
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(format!("blocks are nested deeper than {MAX_DEPTH} levels"));
                }
                let (inner, otherwise) = self.body(action)?;
                self.depth -= 1;
                Ok((body, vec![Part::With(next, inner, otherwise)]))
            }
            (_, End::Text | End::ElseIf(_)) => Err(format!("`{{{{{action}}}}}` has no `{{{{end}}}}`")),
        }
    }

    fn rest(&mut self) -> Result<Vec<Part>, String> {
        match self.block()? {
            (parts, End::Close) => Ok(parts),
            (_, End::Text | End::Else | End::ElseIf(_) | End::ElseWith(_)) => {
                Err("`{{else}}` has no `{{end}}`".to_owned())
            }
        }
    }
}

fn pipeline(text: &str) -> Result<Pipeline, String> {
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens: &tokens, depth: 0 };
    let (variables, is_declared) = reader.variables();
    let commands = reader.commands()?;
    if reader.peek().is_some() {
        return Err(format!("`{text}` has more `)` than `(`"));
    }
    Ok(Pipeline { variables, is_declared, commands, shown: text.trim().to_owned() })
}

struct Reader<'t> {
    /// Each with whether a blank stands before it.
    tokens: &'t [(Token, bool)],
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.first().map(|(token, _)| token)
    }

    fn next(&mut self) -> Option<Token> {
        let ((token, _), rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(token.clone())
    }

    /// Reads `$x :=`, `$x, $y :=` and `$x =`.
    fn variables(&mut self) -> (Vec<String>, bool) {
        let tokens: Vec<&Token> = self.tokens.iter().take(4).map(|(token, _)| token).collect();
        let (names, taken, is_declared) = match tokens.as_slice() {
            [Token::Variable(one), Token::Declare, ..] => (vec![one.clone()], 2, true),
            [Token::Variable(one), Token::Assign, ..] => (vec![one.clone()], 2, false),
            [Token::Variable(one), Token::Comma, Token::Variable(two), Token::Declare] => {
                (vec![one.clone(), two.clone()], 4, true)
            }
            _ => return (Vec::new(), false),
        };
        self.tokens = self.tokens.get(taken..).unwrap_or_default();
        (names, is_declared)
    }

    fn commands(&mut self) -> Result<Vec<Vec<Term>>, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("parentheses are nested deeper than {MAX_DEPTH} levels"));
        }
        let mut commands = vec![Vec::new()];
        while let Some(token) = self.peek() {
            match token {
                Token::Close => break,
                Token::Pipe => {
                    self.next();
                    commands.push(Vec::new());
                }
                _ => {
                    let term = self.term()?;
                    if let Some(command) = commands.last_mut() {
                        command.push(term);
                    }
                }
            }
        }
        self.depth -= 1;
        if commands.iter().any(Vec::is_empty) { Err("a command is missing".to_owned()) } else { Ok(commands) }
    }

    fn term(&mut self) -> Result<Term, String> {
        let mut term = match self.next() {
            Some(Token::Dot) => Term::Dot,
            Some(Token::Field(name)) => Term::Field(Box::new(Term::Dot), name),
            Some(Token::Variable(name)) => Term::Variable(name),
            Some(Token::Literal(value)) => Term::Literal(value),
            Some(Token::Word(name)) => match name.as_str() {
                "true" => Term::Literal(Value::bool(true)),
                "false" => Term::Literal(Value::bool(false)),
                "nil" => Term::Literal(Value::Null),
                _ => Term::Function(name),
            },
            Some(Token::Open) => {
                let commands = self.commands()?;
                if self.next() != Some(Token::Close) {
                    return Err("`(` without `)`".to_owned());
                }
                Term::Pipeline(Pipeline { commands, ..Pipeline::default() })
            }
            _ => return Err("an operand is missing".to_owned()),
        };
        // A field belongs to what stands right before it.
        let mut count = 0;
        while let Some((Token::Field(name), false)) = self.tokens.first() {
            count += 1;
            if count > MAX_FIELDS {
                return Err(format!("more than {MAX_FIELDS} fields follow each other"));
            }
            term = Term::Field(Box::new(term), name.clone());
            self.next();
        }
        Ok(term)
    }
}

fn tokens(text: &str) -> Result<Vec<(Token, bool)>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        let trimmed = rest.trim_start();
        let is_apart = trimmed.len() < rest.len();
        let Some(first) = trimmed.chars().next() else { return Ok(tokens) };
        let word_end = |from: usize| {
            let word = trimmed.get(from..).unwrap_or_default();
            from + word.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(word.len())
        };
        let is_digit_at =
            |at: usize| trimmed.get(at..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let (token, taken) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '|' => (Token::Pipe, 1),
            ',' => (Token::Comma, 1),
            ':' if trimmed.starts_with(":=") => (Token::Declare, 2),
            '=' => (Token::Assign, 1),
            '"' | '`' => quoted(trimmed, first)?,
            '$' => (Token::Variable(trimmed.get(1..word_end(1)).unwrap_or_default().to_owned()), word_end(1)),
            '.' if word_end(1) > 1 && !is_digit_at(1) => {
                (Token::Field(trimmed.get(1..word_end(1)).unwrap_or_default().to_owned()), word_end(1))
            }
            '.' if !is_digit_at(1) => (Token::Dot, 1),
            c if c.is_ascii_digit() || (matches!(c, '-' | '+' | '.') && (is_digit_at(1) || is_digit_at(2))) => {
                let end = 1 + trimmed[1..]
                    .find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_'))
                    .unwrap_or(trimmed.len() - 1);
                let digits = trimmed.get(..end).unwrap_or_default();
                let number = digits.replace('_', "").parse().map_err(|_| format!("`{digits}` is no decimal number"))?;
                (Token::Literal(Value::number(number)), end)
            }
            c if c.is_alphabetic() || c == '_' => {
                (Token::Word(trimmed.get(..word_end(0)).unwrap_or_default().to_owned()), word_end(0))
            }
            c => return Err(format!("`{c}` is no part of an expression")),
        };
        tokens.push((token, is_apart));
        rest = trimmed.get(taken..).unwrap_or_default();
    }
}

/// Reads a text in quotes or backquotes; gives how long it is with them.
fn quoted(text: &str, open: char) -> Result<(Token, usize), String> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == open => return Ok((Token::Literal(Value::text(value)), at + 1)),
            '\\' if open == '"' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, 'r')) => value.push('\r'),
                Some((_, c @ ('"' | '\\' | '\''))) => value.push(c),
                _ => return Err("an escape other than \\n, \\t, \\r, \\\" and \\\\ is not read".to_owned()),
            },
            c => value.push(c),
        }
    }
    Err("a text without its closing quote".to_owned())
}
