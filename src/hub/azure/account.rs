//! Which device of which hub this is, and when the provisioning service is to be asked.
//!
//! With an account in the configuration there is nothing to ask. Otherwise the stored assignment is used until the hub refuses the
//! credentials, or cannot be reached [`FAILURES_MAX`] times in a row: then the device may have been assigned to another hub
//! ("Manage device reconnections": ask again after 401, 403 or 404 and after ten failures). If the service does not answer the
//! old assignment stays. `link/provisioning` asks.

use super::assignment;
use super::dps::Assignment;
use super::settings::{Account, Provisioning, Source};
use crate::hub::disk::{DISK_TIMEOUT, Disk, Undone};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// After so many failures in a row the service is asked again.
const FAILURES_MAX: u32 = 10;

/// What a failure says about whether the device still belongs to this hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Evidence {
    /// Nothing: the hub had no part in it.
    None,
    /// The hub could not be reached, as if it no longer exists. Only a row of these counts.
    Absence,
    /// The hub does not know the device, or its name cannot be a hub's.
    Disproof,
}

/// The device's accounts: the configured one, or the assigned one and whether it is in doubt.
pub(in crate::hub) struct Accounts {
    by: Option<Provisioning>,
    current: Option<Account>,
    /// Failures since the last session.
    failures: u32,
    /// The assignment is in doubt.
    doubted: bool,
    /// The disk that stores it.
    disk: Disk,
    keeping: Option<JoinHandle<()>>,
}

impl Accounts {
    pub(in crate::hub) fn new(source: &Source) -> Self {
        let (by, current) = match source {
            Source::Assigned(account) => (None, Some(account.clone())),
            Source::Provisioned(by) => (Some(by.clone()), None),
        };
        Self { by, current, failures: 0, doubted: false, disk: Disk::default(), keeping: None }
    }

    /// Loads the stored assignment.
    pub(in crate::hub) async fn recall(&mut self) {
        let Some(by) = self.by.clone() else { return };
        let file = by.assignment_file.clone();
        let kept = match self.disk.work_within(move || assignment::load(&by)).await {
            Ok(Ok(kept)) => kept,
            Ok(Err(reason)) => {
                tracing::warn!("the stored assignment {reason}; asking the provisioning service again");
                None
            }
            Err(Undone::Broken) => None,
            Err(Undone::Hangs) => {
                let file = file.unwrap_or_default();
                let (file, patience) = (file.display(), DISK_TIMEOUT.as_secs());
                tracing::warn!(
                    "the stored assignment {file} was not read within {patience} s: the disk does not answer; asking the \
                     provisioning service again"
                );
                None
            }
        };
        if let Some(Assignment { host, device_id }) = &kept {
            tracing::info!(%host, device = %device_id, "assigned by the provisioning service earlier");
        }
        self.current = kept.and_then(|kept| self.account(kept));
    }

    /// The account of an assignment, which need not be stored.
    pub(in crate::hub) fn account(&self, assignment: Assignment) -> Option<Account> {
        let identity = self.by.as_ref()?.identity.clone();
        let Assignment { host, device_id } = assignment;
        Some(Account { host, device_id, gateway: None, identity })
    }

    pub(in crate::hub) fn current(&self) -> Option<&Account> {
        self.current.as_ref()
    }

    pub(in crate::hub) fn provisioning(&self) -> Option<&Provisioning> {
        self.by.as_ref()
    }

    /// Must the service be asked before anything else?
    pub(in crate::hub) fn must_ask(&self) -> bool {
        self.by.is_some() && (self.current.is_none() || self.doubted)
    }

    /// Hub and device for the log; scope and registration as long as those are not known.
    pub(in crate::hub) fn names(&self) -> (&str, &str) {
        match (&self.current, &self.by) {
            (Some(account), _) => (&account.host, &account.device_id),
            (None, Some(by)) => (&by.id_scope, &by.registration_id),
            (None, None) => ("", ""),
        }
    }

    /// The service answered.
    pub(in crate::hub) fn handle_assigned(&mut self, assignment: Assignment) {
        self.doubted = false;
        self.failures = 0;
        let Assignment { host, device_id } = &assignment;
        let known = self.current.as_ref();
        if known.is_some_and(|known| known.host == *host && known.device_id == *device_id) {
            tracing::debug!(%host, device = %device_id, "still assigned to the same hub");
            return;
        }
        tracing::info!(%host, device = %device_id, "assigned by the provisioning service");
        self.keep(assignment.clone());
        self.current = self.account(assignment);
    }

    /// Stores an assignment in a task, since the disk may hang. An older assignment that still waits for the disk is dropped.
    fn keep(&mut self, assignment: Assignment) {
        let Some(by) = self.by.clone() else { return };
        let keeping = tokio::spawn(keep(self.disk.clone(), by, assignment));
        if let Some(before) = self.keeping.replace(keeping) {
            before.abort();
        }
    }

    /// The service did not answer, or named no hub: the old assignment stays.
    pub(in crate::hub) fn handle_not_assigned(&mut self) {
        self.doubted = false;
        self.failures = 0;
    }

    /// A session is up.
    pub(in crate::hub) fn handle_connected(&mut self) {
        self.failures = 0;
    }

    /// A session or an attempt at one failed.
    pub(in crate::hub) fn handle_failed(&mut self, evidence: Evidence) {
        match evidence {
            Evidence::None => {}
            Evidence::Disproof => self.doubted = true,
            Evidence::Absence => {
                self.failures = self.failures.saturating_add(1);
                self.doubted |= self.failures >= FAILURES_MAX;
            }
        }
    }
}

/// Stores an assignment, and warns if that fails or takes long.
async fn keep(disk: Disk, by: Provisioning, assignment: Assignment) {
    let file = by.assignment_file.clone().unwrap_or_default();
    let keeping = disk.work(move || assignment::save(&by, &assignment));
    tokio::pin!(keeping);
    let kept = match timeout(DISK_TIMEOUT, &mut keeping).await {
        Ok(kept) => kept,
        Err(_) => {
            let file = file.display();
            tracing::warn!(
                "the assignment cannot be stored yet: the disk of {file} does not answer; it is used all the same"
            );
            keeping.await
        }
    };
    if let Ok(Err(error)) = kept {
        tracing::warn!(%error, "the assignment could not be stored; the next start asks the provisioning service again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{Identity, Secret};

    fn identity() -> Identity {
        Identity::Key(Secret::new(b"k".to_vec()))
    }

    fn provisioned() -> Accounts {
        Accounts::new(&Source::Provisioned(Provisioning {
            endpoint: "dps.example".into(),
            id_scope: "0ne1".into(),
            registration_id: "r".into(),
            identity: identity(),
            assignment_file: None,
        }))
    }

    fn assigned() -> Accounts {
        let mut accounts = provisioned();
        accounts.handle_assigned(Assignment::new("h", "d").unwrap());
        accounts
    }

    #[test]
    fn an_account_of_the_configuration_is_never_asked_for() {
        let account =
            Account { host: "h".into(), device_id: "d".into(), gateway: None, identity: identity() };
        let mut accounts = Accounts::new(&Source::Assigned(account));
        for _ in 0..50 {
            accounts.handle_failed(Evidence::Disproof);
        }
        assert!(!accounts.must_ask());
        assert_eq!(accounts.names(), ("h", "d"));
    }

    #[tokio::test]
    async fn an_assignment_is_asked_for_once() {
        assert!(provisioned().must_ask());
        assert_eq!(provisioned().names(), ("0ne1", "r"));
        let accounts = assigned();
        assert!(!accounts.must_ask());
        assert_eq!(accounts.names(), ("h", "d"));
    }

    #[tokio::test]
    async fn refused_credentials_and_ten_failures_in_a_row_cast_doubt_on_it() {
        let mut accounts = assigned();
        accounts.handle_failed(Evidence::Absence);
        assert!(!accounts.must_ask());
        accounts.handle_failed(Evidence::Disproof);
        assert!(accounts.must_ask());

        let mut accounts = assigned();
        (0..9).for_each(|_| accounts.handle_failed(Evidence::Absence));
        accounts.handle_connected();
        (0..9).for_each(|_| accounts.handle_failed(Evidence::Absence));
        assert!(!accounts.must_ask());
        accounts.handle_failed(Evidence::Absence);
        assert!(accounts.must_ask());
    }

    #[tokio::test]
    async fn a_hub_whose_name_cannot_be_dialled_is_asked_for_again_and_a_missing_file_is_not_its_fault() {
        let mut accounts = assigned();
        (0..50).for_each(|_| accounts.handle_failed(Evidence::None));
        assert!(!accounts.must_ask());
        accounts.handle_failed(Evidence::Disproof);
        assert!(accounts.must_ask());
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_holds_up_neither_an_assignment_nor_the_question_for_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("assignment");
        let mut accounts = provisioned();
        accounts.by.as_mut().unwrap().assignment_file = Some(path.clone());
        let stuck = accounts.disk.hang().await;
        accounts.recall().await;
        assert!(accounts.must_ask());
        for host in ["first", "second"] {
            accounts.handle_assigned(Assignment::new(host, "d").unwrap());
            assert_eq!((accounts.must_ask(), accounts.names()), (false, (host, "d")));
        }
        assert!(!path.exists());
        drop(stuck);
        accounts.keeping.take().unwrap().await.unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("second"));
    }

    #[tokio::test]
    async fn a_service_that_does_not_answer_leaves_the_old_assignment_in_force() {
        let mut accounts = assigned();
        accounts.handle_failed(Evidence::Disproof);
        accounts.handle_not_assigned();
        assert!(!accounts.must_ask() && accounts.current().is_some());

        let mut never = provisioned();
        never.handle_not_assigned();
        assert!(never.must_ask());
    }
}
