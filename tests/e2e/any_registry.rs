//! The registry of a world: the fake one, or the real docker-registry.

use crate::docker_registry::{Access, DockerRegistry};
use crate::registry::{Behaviour, FakeRegistry, Seen};

/// A registry that stories can be told on.
pub enum AnyRegistry {
    /// Registers requests and can misbehave.
    Fake(FakeRegistry),
    /// Shows what real parts do.
    Docker(DockerRegistry),
}

impl AnyRegistry {
    /// The host in image names.
    pub fn host(&self) -> String {
        match self {
            Self::Fake(fake) => fake.host(),
            Self::Docker(docker) => docker.host(),
        }
    }

    /// Adds tags.
    pub fn publish(&self, repository: &str, tags: &[&str]) {
        match self {
            Self::Fake(fake) => fake.publish(repository, tags),
            Self::Docker(docker) => docker.publish(repository, tags),
        }
    }

    /// Removes one tag.
    pub fn remove(&self, repository: &str, tag: &str) {
        match self {
            Self::Fake(fake) => fake.remove(repository, tag),
            Self::Docker(docker) => docker.remove(repository, tag),
        }
    }

    /// The digest that a tag's manifest has.
    pub fn digest(&self, repository: &str, tag: &str) -> String {
        match self {
            Self::Fake(fake) => fake.digest(repository, tag),
            Self::Docker(docker) => docker.digest(repository, tag),
        }
    }

    /// The entry in the list `registries` of a configuration.
    pub fn settings(&self) -> String {
        match self {
            Self::Fake(fake) => format!("  - host: {}\n    insecure: true\n", fake.host()),
            Self::Docker(docker) => docker.settings(),
        }
    }

    /// Adds a behaviour; for stories on the fake registry.
    pub fn set(&self, repository: &str, behaviour: Behaviour) {
        self.fake().set(repository, behaviour);
    }

    /// Makes a repository well-behaved again; for stories on the fake registry.
    pub fn clear(&self, repository: &str) {
        self.fake().clear(repository);
    }

    /// Every request so far; for stories on the fake registry.
    pub fn requests(&self) -> Vec<Seen> {
        self.fake().requests()
    }

    /// Forgets the requests so far; for stories on the fake registry.
    pub fn forget_requests(&self) {
        self.fake().forget_requests();
    }

    /// The fake registry.
    pub fn fake(&self) -> &FakeRegistry {
        match self {
            Self::Fake(fake) => fake,
            Self::Docker(_) => panic!("this story needs the fake registry"),
        }
    }

    /// The real registry.
    pub fn docker(&self) -> &DockerRegistry {
        match self {
            Self::Docker(docker) => docker,
            Self::Fake(_) => panic!("this story needs docker-registry"),
        }
    }

    /// The real registry, to be stopped.
    pub fn docker_mut(&mut self) -> &mut DockerRegistry {
        match self {
            Self::Docker(docker) => docker,
            Self::Fake(_) => panic!("this story needs docker-registry"),
        }
    }

    /// Starts the real registry; `None` where it is not installed.
    pub fn start_docker(access: Access) -> Option<Self> {
        DockerRegistry::start(access).map(Self::Docker)
    }
}

/// Makes four tests of each story: on the fake registry, and on docker-registry with a local remote, over ssh and over https.
macro_rules! on_all_parts {
    ($($story:ident),+ $(,)?) => {
        mod fake {
            $(#[test]
            fn $story() {
                super::$story(&crate::world::World::create());
            })+
        }

        mod docker_registry {
            $(#[test]
            fn $story() {
                if let Some(world) = crate::world::World::with_docker(crate::docker_registry::Access::Open) {
                    super::$story(&world);
                }
            })+
        }

        mod over_ssh {
            $(#[test]
            fn $story() {
                if let Some(world) = crate::world::World::over_ssh() {
                    super::$story(&world);
                }
            })+
        }

        mod over_https {
            $(#[test]
            fn $story() {
                if let Some(world) = crate::world::World::over_https() {
                    super::$story(&world);
                }
            })+
        }
    };
}
pub(crate) use on_all_parts;
