//! Two repositories, a registry and a forge as plain values, and what people and machines do in them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use repin::message::trailers::{Change, Trailers};
use repin::model::forge::{PullRequest, PullState};
use repin::model::history::{CommitId, CommitInfo};
use repin::model::hold::{Hold, HoldKind, Scope};
use repin::model::rule::Rule;
use repin::model::tracked::TrackedImage;
use repin::model::window::Window;
use repin::plan::rollback::{Release, Standing, Stood, Timeline};
use repin::plan::{Listed, Subject};

use crate::estate::{
    ENVIRONMENTS, PARTS, REPOSITORIES, Value, begin, key, order, parts_of, place, rules, tracked, value_in, windows,
    with_value,
};

/// A part in an environment.
pub(crate) type Place = (usize, usize);

/// A commit on the one branch of a repository.
pub(crate) struct Commit {
    pub(crate) time: Timestamp,
    /// What repin changed.
    pub(crate) changed: Vec<Place>,
}

pub(crate) struct Repository {
    pub(crate) line: Vec<Commit>,
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) releases: Arc<Vec<Release>>,
    pub(crate) holds: Vec<Hold>,
    /// Until then nobody can read what people hold.
    pub(crate) garbled: Option<Timestamp>,
}

/// An open pull request, and what its branch holds.
pub(crate) struct Open {
    pub(crate) pull: PullRequest,
    pub(crate) head: CommitId,
    pub(crate) parent: CommitId,
    pub(crate) message: String,
    pub(crate) files: BTreeMap<String, String>,
    /// The new values, and the digests that its trailers tell.
    pub(crate) values: BTreeMap<usize, (Value, Option<String>)>,
}

/// A pull request that a person closed.
pub(crate) struct Refused {
    pub(crate) number: u64,
    pub(crate) values: BTreeMap<usize, Value>,
    /// Parts for which a person said since then that it goes on.
    pub(crate) resumed: BTreeSet<usize>,
}

/// What stands at a place by another way of reckoning than the program's.
#[derive(Clone, Debug)]
pub(crate) struct Stand {
    pub(crate) tag: String,
    /// From the file, or as repin said when it wrote the tag.
    pub(crate) digest: Option<String>,
    pub(crate) since: Timestamp,
}

pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) repositories: BTreeMap<&'static str, Repository>,
    /// Digests by tag, for each image.
    pub(crate) tags: Vec<BTreeMap<String, String>>,
    pub(crate) listed: Vec<Option<Arc<Listed>>>,
    pub(crate) outages: Vec<Option<Timestamp>>,
    /// Until then a registry lists a part of its tags only.
    pub(crate) cuts: Vec<Option<Timestamp>>,
    pub(crate) open: Vec<Open>,
    pub(crate) closed: Vec<PullRequest>,
    /// What people took away from a place and nobody released.
    pub(crate) taken: BTreeMap<Place, BTreeSet<Value>>,
    pub(crate) refused: Vec<Refused>,
    pub(crate) stands: BTreeMap<Place, Stand>,
    /// Every value that ever stood there, oldest first.
    pub(crate) stood: BTreeMap<Place, Vec<Value>>,
    pub(crate) timelines: BTreeMap<Place, Timeline>,
    /// What the Applications ask for.
    pub(crate) tracked: BTreeMap<Place, Arc<TrackedImage>>,
    pub(crate) subjects: BTreeMap<Place, Arc<Subject>>,
    pub(crate) rules: Arc<[Rule]>,
    pub(crate) windows: Arc<BTreeMap<String, Window>>,
    /// What staging held when the last cycle looked, and whether that was for long enough.
    pub(crate) proven: Vec<(Stand, bool)>,
    /// How often each outcome, request and chore came up.
    pub(crate) reached: BTreeMap<String, usize>,
    pub(crate) numbers: u64,
    pub(crate) writes: usize,
    story: Vec<String>,
}

pub(crate) fn id(number: u64) -> CommitId {
    format!("{number:040x}").parse().unwrap()
}

impl World {
    pub(crate) fn new() -> Self {
        let repository = || Repository {
            line: Vec::new(),
            files: BTreeMap::new(),
            releases: Arc::default(),
            holds: Vec::new(),
            garbled: None,
        };
        let places = || (0..PARTS.len()).flat_map(|part| (0..ENVIRONMENTS.len()).map(move |at| (part, at)));
        let mut world = Self {
            now: "2026-01-05T09:30:00Z".parse().unwrap(),
            repositories: REPOSITORIES.into_iter().map(|name| (name, repository())).collect(),
            tags: vec![BTreeMap::new(); PARTS.len()],
            listed: vec![None; PARTS.len()],
            outages: vec![None; PARTS.len()],
            cuts: vec![None; PARTS.len()],
            open: Vec::new(),
            closed: Vec::new(),
            taken: BTreeMap::new(),
            refused: Vec::new(),
            stands: BTreeMap::new(),
            stood: BTreeMap::new(),
            timelines: BTreeMap::new(),
            tracked: places().map(|(part, at)| ((part, at), Arc::new(tracked(part, at)))).collect(),
            subjects: BTreeMap::new(),
            rules: rules().into(),
            windows: Arc::new(windows()),
            proven: Vec::new(),
            reached: BTreeMap::new(),
            numbers: 1,
            writes: 0,
            story: Vec::new(),
        };
        for part in 0..PARTS.len() {
            world.put(part, "1.0.0");
        }
        for name in REPOSITORIES {
            let mut files = BTreeMap::new();
            for (part, environment) in places() {
                let (repository, path) = place(part, environment);
                if repository == name {
                    files.insert(path, begin(PARTS[part].service, |part| world.published(part, "1.0.0")));
                }
            }
            world.commit(name, files, "Begin", false);
        }
        world
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now.checked_add(SignedDuration::try_from(time).unwrap()).unwrap();
    }

    pub(crate) fn log(&mut self, what: String) {
        // Digests are numbers.
        self.story.push(format!("{} {}", self.now, what.replace(&"0".repeat(56), "")));
    }

    /// Tells the end of the story, for failures.
    pub(crate) fn told(&self) -> String {
        let from = self.story.len().saturating_sub(80);
        self.story[from..].join("\n")
    }

    pub(crate) fn reach(&mut self, what: &str) {
        *self.reached.entry(what.to_owned()).or_default() += 1;
    }

    pub(crate) fn text(&self, part: usize, environment: usize) -> &str {
        let (repository, path) = place(part, environment);
        &self.repositories[repository].files[&path]
    }

    pub(crate) fn value(&self, part: usize, environment: usize) -> Value {
        value_in(self.text(part, environment), part)
    }

    pub(crate) fn head(&self, repository: &str) -> CommitId {
        // The n-th commit of a repository, told from the other one's.
        let at = REPOSITORIES.iter().position(|name| *name == repository).unwrap() as u64;
        id(((at + 1) << 32) + self.repositories[repository].line.len() as u64)
    }

    pub(crate) fn commit(
        &mut self,
        repository: &'static str,
        files: BTreeMap<String, String>,
        message: &str,
        is_repin: bool,
    ) {
        let said = Trailers::parse(message);
        let at = self.repositories[repository].line.len() as u64;
        self.repositories.get_mut(repository).unwrap().line.push(Commit { time: self.now, changed: Vec::new() });
        let who = if is_repin { "repin" } else { "Paula" };
        let info = Arc::new(CommitInfo {
            id: self.head(repository),
            author_name: who.to_owned(),
            author_email: format!("{who}@example.com"),
            time: self.now,
            committer_name: who.to_owned(),
            committer_email: format!("{who}@example.com"),
            committed: self.now,
            subject: message.lines().next().unwrap_or_default().to_owned(),
            message: message.to_owned(),
        });
        let mut changed = Vec::new();
        for (path, text) in files {
            let (parts, environment) = parts_of(&path);
            for part in parts {
                let value = value_in(&text, part);
                let is_it = |change: &&Change| {
                    change.file == path && change.key == key(part) && change.new == value.to_string()
                };
                let claimed = said.changes.iter().find(is_it).cloned();
                if self.stand(part, environment, &value, claimed.as_ref()) {
                    changed.push((part, environment));
                }
                let Value { tag, digest } = value;
                let standing = Standing {
                    at,
                    commit: info.clone(),
                    since: self.now,
                    stood: Stood::Tag { tag, digest },
                    claimed: claimed.map(Arc::new),
                };
                self.timelines.entry((part, environment)).or_default().standings.insert(0, standing);
                self.subjects.remove(&(part, environment));
            }
            self.repositories.get_mut(repository).unwrap().files.insert(path, text);
        }
        let own = self.repositories.get_mut(repository).unwrap();
        if is_repin {
            own.line.last_mut().unwrap().changed = changed;
        }
        if !said.resumes.is_empty() {
            let release = |resume| Release { at, time: self.now, resume };
            Arc::make_mut(&mut own.releases).extend(said.resumes.into_iter().map(release));
            self.subjects.retain(|(part, environment), _| place(*part, *environment).0 != repository);
        }
    }

    /// Keeps account of what stands at a place; tells whether it is another value.
    fn stand(&mut self, part: usize, environment: usize, value: &Value, claimed: Option<&Change>) -> bool {
        let told = || claimed.and_then(|change| change.digest.clone());
        let digest = value.digest.clone().or_else(told);
        let new = Stand { tag: value.tag.clone(), digest, since: self.now };
        let stand = self.stands.entry((part, environment)).or_insert_with(|| new.clone());
        let is_other = stand.digest.as_ref().zip(new.digest.as_ref()).is_some_and(|(one, other)| one != other);
        if stand.tag != new.tag || is_other {
            *stand = new;
        } else {
            stand.digest = stand.digest.take().or(new.digest);
        }
        let stood = self.stood.entry((part, environment)).or_default();
        let is_new = stood.last() != Some(value);
        if is_new {
            stood.push(value.clone());
        }
        is_new
    }

    /// Publishes a tag, or moves it to another image.
    fn put(&mut self, part: usize, tag: &str) {
        self.numbers += 1;
        self.tags[part].insert(tag.to_owned(), format!("sha256:{:064x}", self.numbers));
        self.listed[part] = None;
    }

    /// What a person writes for a tag.
    fn published(&self, part: usize, tag: &str) -> Value {
        let digest = PARTS[part].is_pinned.then(|| self.tags[part][tag].clone());
        Value { tag: tag.to_owned(), digest }
    }

    fn newest(&self, part: usize) -> &str {
        self.tags[part].keys().max_by(|one, other| order(one, other)).unwrap()
    }

    pub(crate) fn build(&mut self, part: usize) {
        let newest = self.newest(part);
        let next = match newest.split_once("-rc.") {
            Some((version, number)) => format!("{version}-rc.{}", number.parse::<u32>().unwrap() + 1),
            None => {
                let (start, last) = newest.rsplit_once('.').unwrap();
                format!("{start}.{}-rc.1", last.parse::<u32>().unwrap() + 1)
            }
        };
        self.put(part, &next);
    }

    /// All services are released at once.
    pub(crate) fn rush(&mut self) {
        for part in 0..PARTS.len() {
            self.build(part);
            self.release(part);
        }
    }

    pub(crate) fn release(&mut self, part: usize) {
        if let Some((version, _)) = self.newest(part).to_owned().split_once("-rc.") {
            self.put(part, version);
        }
    }

    /// What stands somewhere is built again under the same tag.
    pub(crate) fn rebuild(&mut self, part: usize, environment: usize) {
        let tag = self.value(part, environment).tag;
        if self.tags[part].contains_key(&tag) {
            self.put(part, &tag);
        }
    }

    /// What stands somewhere goes from the registry.
    pub(crate) fn vanish(&mut self, part: usize, environment: usize) {
        let tag = self.value(part, environment).tag;
        if self.tags[part].len() > 1 {
            self.tags[part].remove(&tag);
            self.listed[part] = None;
        }
    }

    /// A person writes a value; what it is less than is taken away.
    fn write_by_hand(&mut self, part: usize, environment: usize, new: Value, message: &str) {
        let old = self.value(part, environment);
        if old == new {
            return;
        }
        self.log(format!("by hand {} in {}: {old} -> {new}", PARTS[part].image, ENVIRONMENTS[environment]));
        let (repository, path) = place(part, environment);
        let text = with_value(self.text(part, environment), part, &new.to_string());
        self.commit(repository, BTreeMap::from([(path, text)]), message, false);
        let taken = self.taken.entry((part, environment)).or_default();
        if new.order(&old) != Ordering::Greater {
            taken.insert(old);
        }
        taken.retain(|gone| gone.order(&new) == Ordering::Greater || (gone.tag == new.tag && *gone != new));
    }

    pub(crate) fn revert(&mut self, part: usize, environment: usize) {
        if let [.., before, _] = self.stood[&(part, environment)].as_slice() {
            let before = before.clone();
            self.write_by_hand(part, environment, before, "Revert the last change");
        }
    }

    pub(crate) fn pin(&mut self, part: usize, environment: usize, is_up: bool) {
        let now = self.value(part, environment).tag;
        let mut tags: Vec<String> = self.tags[part].keys().cloned().collect();
        tags.sort_by(|one, other| order(one, other));
        // Staging and production take releases.
        tags.retain(|tag| environment == 0 || !tag.contains("-rc."));
        let found = if is_up {
            tags.iter().find(|tag| order(tag, &now) == Ordering::Greater)
        } else {
            tags.iter().rev().find(|tag| order(tag, &now) == Ordering::Less)
        };
        if let Some(tag) = found {
            self.write_by_hand(part, environment, self.published(part, tag), "Set by hand");
        }
    }

    /// A person writes the digest that the registry has now for the tag that stands.
    pub(crate) fn renew(&mut self, part: usize, environment: usize, is_made: bool) {
        if is_made {
            self.rebuild(part, environment);
        }
        let tag = self.value(part, environment).tag;
        if self.tags[part].contains_key(&tag) {
            self.write_by_hand(part, environment, self.published(part, &tag), "Take the new build");
        }
    }

    /// A person changes a file, and no value of it.
    pub(crate) fn tidy(&mut self, part: usize, environment: usize, is_comment: bool) {
        self.numbers += 1;
        let number = self.numbers;
        let line = |line: &str| match line {
            comment if comment.starts_with('#') && is_comment => format!("# Values, looked at for {number}\n\n"),
            replicas if replicas.starts_with("replicas:") => format!("replicas: {}\n", number % 9 + 1),
            "" => String::new(),
            other => format!("{other}\n"),
        };
        let text = self.text(part, environment).lines().map(line).collect();
        let (repository, path) = place(part, environment);
        self.commit(repository, BTreeMap::from([(path, text)]), "Tidy up", false);
    }

    pub(crate) fn resume(&mut self, part: usize, environment: usize) {
        let (repository, _) = place(part, environment);
        let service = PARTS[part].service;
        let message = format!("Go on\n\nRepin-Resume: argocd/{service}-{}", ENVIRONMENTS[environment]);
        self.commit(repository, BTreeMap::new(), &message, false);
        for other in (0..PARTS.len()).filter(|other| PARTS[*other].service == service) {
            self.taken.remove(&(other, environment));
            if environment == 2 {
                for refused in &mut self.refused {
                    refused.resumed.insert(other);
                }
            }
        }
    }

    pub(crate) fn freeze(&mut self, environment: Option<usize>, minutes: u32) {
        let environment = environment.map(|at| ENVIRONMENTS[at].parse().unwrap());
        let scope = Scope { environment, ..Scope::default() };
        let hold = self.entry(HoldKind::Freeze, scope, minutes);
        self.repositories.get_mut("gitops").unwrap().holds.push(hold);
    }

    pub(crate) fn lift(&mut self, part: usize, minutes: u32) {
        let application = format!("{}-production", PARTS[part].service).parse().unwrap();
        let scope = Scope { application: Some(application), ..Scope::default() };
        let hold = self.entry(HoldKind::Override, scope, minutes);
        self.repositories.get_mut("locked").unwrap().holds.push(hold);
    }

    fn entry(&self, kind: HoldKind, scope: Scope, minutes: u32) -> Hold {
        Hold {
            kind,
            scope,
            reason: "because".to_owned(),
            actor: "paula".to_owned(),
            since: self.now,
            until: Some(self.later(minutes)),
            line: 1,
        }
    }

    fn later(&self, minutes: u32) -> Timestamp {
        self.now.checked_add(SignedDuration::from_mins(i64::from(minutes))).unwrap()
    }

    pub(crate) fn thaw(&mut self) {
        self.repositories.get_mut("gitops").unwrap().holds.clear();
    }

    /// The file of what people hold is no YAML for a while.
    pub(crate) fn garble(&mut self, repository: usize, minutes: u32) {
        self.repositories.get_mut(REPOSITORIES[repository]).unwrap().garbled = Some(self.later(minutes));
    }

    pub(crate) fn outage(&mut self, part: usize, minutes: u32) {
        self.outages[part] = Some(self.later(minutes));
    }

    pub(crate) fn cut(&mut self, part: usize, minutes: u32) {
        self.cuts[part] = Some(self.later(minutes));
    }

    /// Nothing is frozen, down, cut or garbled any more.
    pub(crate) fn calm(&mut self) {
        self.thaw();
        self.outages.fill(None);
        self.cuts.fill(None);
        self.repositories.values_mut().for_each(|repository| repository.garbled = None);
    }

    pub(crate) fn merge_all(&mut self) {
        for open in std::mem::take(&mut self.open) {
            if open.parent != self.head("locked") {
                // It has to be brought up to date first.
                self.open.push(open);
                continue;
            }
            self.reach("merged");
            self.log(format!("merged {}", open.pull.number));
            let message = format!("Merge pull request #{}\n\n{}", open.pull.number, open.message);
            self.commit("locked", open.files, &message, true);
            let pull = PullRequest {
                state: PullState::Merged,
                closed: Some(self.now),
                merge_commit: Some(self.head("locked")),
                ..open.pull
            };
            self.closed.push(pull);
        }
    }

    pub(crate) fn close(&mut self, part: usize) {
        let Some(at) = self.open.iter().position(|open| open.values.contains_key(&part)) else { return };
        let open = self.open.remove(at);
        let values = open.values.into_iter().map(|(part, (value, _))| (part, value)).collect();
        self.refused.push(Refused { number: open.pull.number, values, resumed: BTreeSet::new() });
        self.closed.push(PullRequest { state: PullState::Closed, closed: Some(self.now), ..open.pull });
    }
}
