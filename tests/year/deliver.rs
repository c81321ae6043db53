//! What was decided is done, as Git and a forge would do it.

use std::collections::BTreeMap;

use repin::message::pull_request::{self, Marker};
use repin::message::trailers::{Change, Trailers};
use repin::model::change::{ChangeSet, Chore, Notice, PlannedCommit, Request};
use repin::model::forge::{PullRequest, PullState};

use crate::estate::{REPOSITORIES, Value, key, parts_of};
use crate::law::Write;
use crate::pure::opened;
use crate::world::{Open, World, id};

impl World {
    /// Decides, and does it. Tells whether anything was written, to Git or to the forge.
    pub(crate) fn cycle(&mut self) -> bool {
        let before = self.writes;
        let snapshot = self.snapshot();
        self.look_at_staging();
        let decision = self.decide(snapshot);
        for outcome in &decision.outcomes {
            self.reach(&outcome.code);
            self.reach(&format!("result {:?}", outcome.result));
        }
        if decision.judgements.iter().any(|judgement| judgement.let_through.is_some()) {
            self.reach("let through");
        }
        for set in &decision.changes {
            match &set.proposal {
                None => self.push(set),
                Some(_) => self.propose(set),
            }
        }
        for chore in &decision.chores {
            self.do_chore(chore);
        }
        self.assert_open_ones_are_wanted(&decision);
        self.writes > before
    }

    fn push(&mut self, set: &ChangeSet) {
        let repository = REPOSITORIES.into_iter().find(|name| *name == set.repository).unwrap();
        assert_eq!(repository, "gitops", "production is written by pull requests only: {}", self.told());
        assert_eq!(set.head, self.head(repository));
        for commit in &set.commits {
            let writes = self.writes_of(commit);
            for write in &writes {
                self.check_write(write);
                self.log(format!("pushed {write:?}"));
            }
            let files = commit.files.iter().map(|file| (file.path.to_string(), file.after.clone())).collect();
            self.commit(repository, files, &commit.message, true);
            self.reach("pushed");
            self.writes += 1;
        }
        self.check_pace();
    }

    /// Reads from files and trailers what a commit writes; both say the same.
    fn writes_of(&self, commit: &PlannedCommit) -> Vec<Write> {
        let changes = Trailers::parse(&commit.message).changes;
        let mut writes = Vec::new();
        for file in &commit.files {
            let path = file.path.to_string();
            assert_eq!(self.blank(&path, &file.before), self.blank(&path, &file.after), "{}", self.told());
            let (parts, environment) = parts_of(&path);
            for part in parts {
                let [old, new] = [&file.before, &file.after].map(|text| crate::estate::value_in(text, part));
                let is_it = |change: &&Change| change.file == path && change.key == key(part);
                let change = changes.iter().find(is_it);
                assert_eq!(change.is_some(), old != new, "{changes:?}: {}", self.told());
                if let Some(change) = change {
                    assert_eq!(Value::read(&change.new), new, "{}", self.told());
                    writes.push(Write { part, environment, old, new, digest: change.digest.clone() });
                }
            }
        }
        assert_eq!(writes.len(), changes.len(), "{changes:?}: {}", self.told());
        writes
    }

    /// Gives a text without its values.
    fn blank(&self, path: &str, text: &str) -> String {
        let (parts, _) = parts_of(path);
        parts.into_iter().fold(text.to_owned(), |text, part| crate::estate::with_value(&text, part, "-"))
    }

    fn propose(&mut self, set: &ChangeSet) {
        let proposal = set.proposal.as_ref().unwrap();
        let [commit] = set.commits.as_slice() else { panic!("one commit for a pull request") };
        assert_eq!(set.head, self.head("locked"));
        self.numbers += 1;
        let known = self.open.iter().position(|open| open.pull.head == set.branch);
        let was = known.map(|at| self.open.remove(at));
        let writes = self.writes_of(commit);
        self.log(format!("proposed {:?} on {}: {writes:?}", proposal.request, set.branch));
        let values: BTreeMap<usize, (Value, Option<String>)> =
            writes.iter().map(|write| (write.part, (write.new.clone(), write.digest.clone()))).collect();
        self.check_whole(&writes);
        // The same values on a base that moved are nothing new.
        if was.as_ref().is_none_or(|open| open.values != values) {
            writes.iter().for_each(|write| self.check_write(write));
            self.check_refused(&writes);
        }
        let number = match proposal.request {
            Request::Open => {
                assert!(was.is_none(), "a second pull request for one group: {}", self.told());
                self.reach("opened");
                self.numbers
            }
            Request::Update(number) | Request::Keep(number) | Request::Finish(number) => {
                self.reach("changed");
                number
            }
            Request::Reopen(number, _) => {
                assert!(was.is_none(), "a second pull request for one group: {}", self.told());
                self.reach("opened again");
                self.closed.retain(|pull| pull.number != number);
                self.refused.retain(|refused| refused.number != number);
                number
            }
        };
        let created = was.as_ref().map_or(self.now, |open| open.pull.created);
        let pull = PullRequest { updated: self.now, ..opened(set, number, id(self.numbers), created) };
        let files = commit.files.iter().map(|file| (file.path.to_string(), file.after.clone())).collect();
        let (head, parent) = (id(self.numbers), self.head("locked"));
        self.open.push(Open { pull, head, parent, message: commit.message.clone(), files, values });
        self.writes += 1;
    }

    fn do_chore(&mut self, chore: &Chore) {
        match chore {
            Chore::Close { number, reason, .. } => {
                let at = self.open.iter().position(|open| open.pull.number == *number).expect("it is open");
                let open = self.open.remove(at);
                let mut marker = Marker::parse(&open.pull.body).unwrap();
                marker.closed = Some(reason.clone());
                let body = pull_request::replace(&open.pull.body, &marker);
                self.closed.push(PullRequest { state: PullState::Closed, closed: Some(self.now), body, ..open.pull });
                self.log(format!("closed {number}: {reason}"));
                self.reach("closed");
                self.writes += 1;
            }
            Chore::Tell { number, notice, body, .. } => {
                let mut marker = Marker::parse(body).unwrap();
                let word = match notice {
                    Notice::Foreign { .. } => "foreign",
                    Notice::Refused { .. } => "refused",
                };
                marker.told.insert(word.to_owned());
                let body = pull_request::replace(body, &marker);
                self.closed.iter_mut().filter(|pull| pull.number == *number).for_each(|pull| pull.body = body.clone());
                self.reach("told");
                self.writes += 1;
            }
            Chore::Delete { .. } => panic!("branches go with their pull requests"),
            Chore::StopMerge { .. } => panic!("nobody asked for that"),
        }
    }
}
