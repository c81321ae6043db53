//! The values of the keys: one entry of the image list and the keys that apply to it -> an [`ImageRequest`].

use std::collections::BTreeMap;

use crate::annotations::destination::Destination;
use crate::annotations::image_list::Entry;
use crate::annotations::keys::{KEYS, Scope};
use crate::annotations::{Given, ImageRequest, Reader};
use crate::model::forge::PullWishes;
use crate::model::policy::Policy;
use crate::model::problem::Severity;
use crate::model::rule::Delivery;
use crate::model::tracked::Refusal;
use crate::model::wishes::Wishes;

/// What stands in the way of one image: the first invalid value, and unbuilt keys by CONFIGURATION's order.
#[derive(Default)]
pub(super) struct Obstacles {
    pub(super) invalid: Option<String>,
    pub(super) unsupported: BTreeMap<usize, (&'static str, String)>,
    delivery_none: bool,
}

impl Reader<'_> {
    pub(super) fn request(&mut self, entry: &Entry) -> ImageRequest {
        let mut obstacles = Obstacles::default();
        let mut request = ImageRequest {
            alias: entry.alias.clone(),
            image_text: entry.raw.clone(),
            image: None,
            policy: Policy::default(),
            key: None,
            name_key: None,
            address: None,
            name_address: None,
            kustomize_name: None,
            targets: Vec::new(),
            interval: None,
            pull_secret: None,
            destination: Destination::default(),
            delivery: None,
            pull_request: PullWishes::default(),
            wishes: Wishes::default(),
            refusal: None,
        };
        let constraint = match &entry.image {
            Ok((image, constraint)) => {
                request.image_text = image.to_string();
                request.image = Some(image.clone());
                constraint.clone()
            }
            Err(why) => {
                let message = format!("the entry `{}` of `image-list` cannot be read: {why}", entry.raw);
                let line = self.line("image-list");
                self.problem(
                    Severity::Error,
                    "annotation/invalid",
                    line,
                    message.clone(),
                    "write `<alias>=<image>[:<constraint>]`".into(),
                );
                request.refusal = Some(Refusal { code: "annotation/invalid".into(), message });
                return request;
            }
        };
        if let Some(name) = self.find_without_text(&entry.alias) {
            obstacles.invalid = Some(format!("the annotation `{name}` has no text"));
        }
        self.unbuilt(&entry.alias, &mut obstacles);
        request.policy = self.policy(entry, constraint, &mut obstacles);
        self.places(&mut request, &mut obstacles);
        self.write_back(&mut request, &mut obstacles);
        request.interval = self.interval(&entry.alias, &mut obstacles);
        request.pull_secret = self.pull_secret(&entry.alias, &mut obstacles);
        request.destination = self.destination(&mut obstacles);
        request.delivery = self.delivery(&mut obstacles);
        obstacles.delivery_none = request.delivery == Some(Delivery::None);
        request.pull_request = self.pull_wishes(&mut obstacles);
        request.wishes = self.wishes(&entry.alias, &mut obstacles);
        request.refusal = obstacles.refusal();
        request
    }

    /// Notes every known key that applies to the image and that this build does not carry out.
    fn unbuilt(&mut self, alias: &str, obstacles: &mut Obstacles) {
        for (at, key) in KEYS.iter().enumerate().filter(|(_, key)| !key.built) {
            let given = match key.scope {
                Scope::Application => self.given.get(key.name).map(|given| (key.name.to_owned(), given.clone())),
                Scope::Both | Scope::Alias => self.find(alias, key.name).map(|(name, given)| (name, given.clone())),
            };
            let Some((written, given)) = given else { continue };
            let message = format!("`{written}: {}` is not carried out by this version", given.value);
            self.unsupported(
                at,
                key.name,
                given.line,
                message,
                "remove the annotation, or wait for a version that carries it out".into(),
                obstacles,
            );
        }
    }

    pub(super) fn unsupported(
        &mut self,
        at: usize,
        name: &'static str,
        line: u64,
        message: String,
        hint: String,
        obstacles: &mut Obstacles,
    ) {
        if obstacles.unsupported.contains_key(&at) {
            return;
        }
        self.problem(Severity::Error, &format!("unsupported/{name}"), line, message.clone(), hint);
        obstacles.unsupported.insert(at, (name, message));
    }

    pub(super) fn invalid(&mut self, name: &str, given: &Given, rule: &str, hint: String, obstacles: &mut Obstacles) {
        let message = format!("`{name}: {}` {rule}", given.value);
        self.problem(Severity::Error, "annotation/invalid", given.line, message.clone(), hint);
        obstacles.invalid.get_or_insert(message);
    }

    pub(super) fn owned(&self, alias: &str, name: &str) -> Option<(String, Given)> {
        self.find(alias, name).map(|(key, given)| (key, given.clone()))
    }
}

impl Obstacles {
    fn refusal(self) -> Option<Refusal> {
        if let Some(message) = self.invalid {
            return Some(Refusal { code: "annotation/invalid".into(), message });
        }
        if let Some((_, (name, message))) = self.unsupported.into_iter().next() {
            return Some(Refusal { code: format!("unsupported/{name}"), message });
        }
        let message = "the annotation `delivery: none` says that nothing is written".to_owned();
        self.delivery_none.then_some(Refusal { code: "rule/none".into(), message })
    }
}
