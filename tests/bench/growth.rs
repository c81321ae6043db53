//! Services in three environments that share their images, nothing new: what a cycle of the daemon costs as they grow.

use std::path::{Path, PathBuf};

use crate::daemon::{Daemon, configure};
use crate::registry::{Registry, newest};
use crate::report::{Report, mebibytes};
use crate::repository::{Stream, application, values};

const TAGS: usize = 50;
const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "production"];

pub fn measure_all(report: &mut Report) {
    report.scenario("Services in three environments of one repository, 50 tags each, nothing new");
    for services in [300, 1_000, 3_000] {
        let place = tempfile::tempdir().unwrap();
        let registry = Registry::start(services, TAGS);
        let remote = remote(place.path(), services, registry.host());
        let config = configure(place.path(), &format!("file://{}", remote.display()), registry.host());
        let daemon = Daemon::start(&config);
        let [(first, begin), (next, counts)] = daemon.first_and_next(if services > 1_000 { 5 } else { 8 });
        report.row(
            &format!("{services} services: first cycle, everything cold"),
            first,
            begin.registry,
            begin.advertisements,
        );
        report.row(
            &format!("{services} services: a cycle with nothing new"),
            next,
            counts.registry,
            counts.advertisements,
        );
        assert_eq!(begin.delivered + counts.delivered, 0);
        assert_eq!(counts.registry, services as u64, "one listing per image, however many share it");
        assert_eq!((counts.advertisements, counts.fetches, counts.pushes), (1, 0, 0));
        if services == 3_000 {
            report.at_most("3,000 services, CPU of a cycle with nothing new", next.cpu.as_secs_f64(), 1.0, " s");
            report.at_most("3,000 services, peak memory", mebibytes(next.peak), 256.0, " MiB");
        }
    }
}

fn remote(place: &Path, services: usize, host: &str) -> PathBuf {
    let bare = place.join("remote.git");
    let mut stream = Stream::new();
    stream.commit("Add everything");
    for at in 0..services {
        let image = format!("{host}/acme/s{at}");
        for environment in ENVIRONMENTS {
            let (name, path) = (format!("s{at}-{environment}"), format!("apps/{environment}/s{at}"));
            let url = format!("file://{}", bare.display());
            stream.file(&format!("argocd/{environment}/s{at}.yaml"), &application(&name, &image, &url, &path));
            stream.file(&format!("{path}/values.yaml"), &values(&image, &newest(TAGS)));
        }
    }
    stream.import(&bare)
}
