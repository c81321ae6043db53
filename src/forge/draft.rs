//! Drafts of forges that know them by their title alone: the prefix is taken off what is given back, and put on what is
//! written.

/// How titles of drafts begin on one kind of forge.
#[derive(Debug)]
pub(super) struct Drafts {
    /// What is put before a title.
    pub(super) own: &'static str,
    /// All beginnings, in lower case.
    pub(super) known: &'static [&'static str],
}

impl Drafts {
    /// Gives a title as it is written.
    pub(super) fn titled(&self, title: &str, is_draft: bool) -> String {
        if is_draft && !self.is_draft(title) { format!("{} {title}", self.own) } else { title.to_owned() }
    }

    /// Gives a title without what makes it that of a draft.
    pub(super) fn untitled<'a>(&self, title: &'a str) -> &'a str {
        self.prefix(title).and_then(|len| title.get(len..)).map_or(title, str::trim_start)
    }

    /// Tells whether a title is that of a draft.
    pub(super) fn is_draft(&self, title: &str) -> bool {
        self.prefix(title).is_some()
    }

    fn prefix(&self, title: &str) -> Option<usize> {
        let starts = |prefix: &&&str| title.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        self.known.iter().find(starts).map(|prefix| prefix.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_part_of_the_title_on_the_way_out_alone() {
        let drafts = Drafts { own: "Draft:", known: &["draft:", "[draft]", "(draft)", "wip:"] };
        for (title, expected) in [
            ("Draft: web 1.2.0", "web 1.2.0"),
            ("draft:web", "web"),
            ("[Draft] web", "web"),
            ("(Draft) web", "web"),
            ("WIP: web", "web"),
            ("Drafts of web", "Drafts of web"),
            ("web Draft: x", "web Draft: x"),
            ("é", "é"),
            ("", ""),
        ] {
            assert_eq!(drafts.untitled(title), expected, "{title}");
        }
        for (title, is_draft, expected) in
            [("web", true, "Draft: web"), ("Draft: web", true, "Draft: web"), ("web", false, "web")]
        {
            assert_eq!(drafts.titled(title, is_draft), expected);
        }
    }
}
