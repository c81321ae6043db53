//! What a cycle gathers, and how questions are answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use repin::manifest::Source;
use repin::message::trailers::Trailers;
use repin::model::names::{ImageName, RepoPath, Tag};
use repin::model::tracked::RemoteBranch;
use repin::plan::locate::{FileState, Site};
use repin::plan::pulls::{Head, Pulls};
use repin::plan::rollback::Timeline;
use repin::plan::{Decision, Failure, Listed, Question, Snapshot, Subject, decide};

use crate::estate::{ENVIRONMENTS, PARTS, REPOSITORIES, place};
use crate::pure::{main, placed};
use crate::world::World;

fn failure(code: &str) -> Failure {
    Failure { code: code.to_owned(), message: "nobody can say".to_owned(), hint: None, line: None }
}

fn part_of(image: &ImageName) -> usize {
    PARTS.iter().position(|part| image.repository() == part.image).unwrap()
}

impl World {
    pub(crate) fn snapshot(&mut self) -> Snapshot {
        let mut snapshot = Snapshot {
            now: self.now,
            rules: self.rules.clone(),
            windows: self.windows.clone(),
            is_whole: true,
            ..Snapshot::default()
        };
        for name in REPOSITORIES {
            let base = RemoteBranch { repository: name.to_owned(), branch: main() };
            let own = &self.repositories[name];
            let holds = if own.garbled > Some(self.now) {
                Err(failure("holds/invalid"))
            } else {
                Ok(Arc::new(own.holds.clone()))
            };
            snapshot.heads.insert(base.clone(), self.head(name));
            snapshot.holds.insert(name.to_owned(), holds);
            snapshot.advertised.insert(name.to_owned(), Arc::new(BTreeMap::from([(main(), self.head(name))])));
        }
        snapshot.pulls.insert("locked".to_owned(), Ok(self.pulls()));
        for part in 0..PARTS.len() {
            for environment in 0..ENVIRONMENTS.len() {
                let subject = self.subject(part, environment);
                snapshot.subjects.push(subject);
            }
        }
        snapshot
    }

    /// What is known of a place is made again once its file or the releases of its repository changed.
    fn subject(&mut self, part: usize, environment: usize) -> Arc<Subject> {
        if let Some(known) = self.subjects.get(&(part, environment)) {
            return known.clone();
        }
        let (repository, path) = place(part, environment);
        let file: RepoPath = path.parse().unwrap();
        let state = self.state(part, environment);
        let tracked = self.tracked[&(part, environment)].clone();
        let releases = self.repositories[repository].releases.clone();
        let timeline = Timeline { releases, ..self.timelines[&(part, environment)].clone() };
        let subject = Arc::new(placed(tracked, (repository, &file), &state, &self.rules, timeline));
        let site = subject.located.as_ref().and_then(|located| located.site.as_ref().ok());
        assert!(site.and_then(Site::shown).is_some());
        self.subjects.insert((part, environment), subject.clone());
        subject
    }

    fn state(&self, part: usize, environment: usize) -> FileState {
        FileState::Parsed(Arc::new(Source::parse(self.text(part, environment)).unwrap()))
    }

    fn pulls(&self) -> Pulls {
        let mut pulls = Pulls {
            has_all_closed: true,
            main: Some(main()),
            looked: Some(self.now),
            open: self.open.iter().map(|open| open.pull.clone()).collect(),
            ..Pulls::default()
        };
        for open in &self.open {
            let trailers = Trailers::parse(&open.message);
            let head = Head {
                commit: open.head,
                parents: vec![open.parent],
                author: "repin".to_owned(),
                is_ours: true,
                is_known: true,
                changes: trailers.changes,
                applications: trailers.applications,
                has_conflict: Some(false),
            };
            pulls.heads.insert(open.pull.head.clone(), head);
        }
        for pull in self.closed.iter().rev() {
            pulls.closed.entry(pull.head.clone()).or_default().push(pull.clone());
            pulls.closers.insert(pull.number, Some("paula".to_owned()));
        }
        for closed in pulls.closed.values_mut() {
            closed.sort_by_key(|pull| std::cmp::Reverse(pull.closed));
        }
        pulls
    }

    pub(crate) fn decide(&mut self, mut snapshot: Snapshot) -> Decision {
        for _ in 0..20 {
            let decision = decide(&snapshot);
            if decision.questions.is_empty() {
                return decision;
            }
            for question in decision.questions {
                self.answer(question, &mut snapshot);
            }
        }
        panic!("questions without end: {}", self.told())
    }

    pub(crate) fn is_down(&self, part: usize) -> bool {
        self.outages[part].is_some_and(|until| self.now < until)
    }

    fn answer(&mut self, question: Question, snapshot: &mut Snapshot) {
        match question {
            Question::Listing(image) => {
                let part = part_of(&image);
                let count = self.tags[part].len();
                let list = |count: usize| {
                    let tags = self.tags[part].keys().take(count).map(|tag| tag.parse::<Tag>().unwrap()).collect();
                    Arc::new(Listed { tags, was_filled: true, ..Listed::default() })
                };
                let answer = if self.is_down(part) {
                    Err(failure("registry/unreachable"))
                } else if self.cuts[part] > Some(self.now) {
                    Ok(list(count / 2))
                } else {
                    let known = self.listed[part].clone().unwrap_or_else(|| list(count));
                    self.listed[part] = Some(known.clone());
                    Ok(known)
                };
                snapshot.listings.insert(image, answer);
            }
            Question::Manifest(image, tag) => {
                let part = part_of(&image);
                let found = self.tags[part].get(tag.as_str()).map(|digest| digest.parse().unwrap());
                let answer = if self.is_down(part) { Err(failure("registry/unreachable")) } else { Ok(found) };
                snapshot.manifests.insert((image, tag), answer);
            }
            Question::Labels(image, digest) => {
                snapshot.labels.insert((image, digest), None);
            }
            Question::File(base, file) => {
                let (parts, environment) = crate::estate::parts_of(file.as_str());
                snapshot.files.insert((base, file), self.state(parts[0], environment));
            }
            other => panic!("nobody asks that here: {other:?}"),
        }
    }
}
