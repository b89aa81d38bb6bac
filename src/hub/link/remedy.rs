//! What a person must do about a failure that twind alone cannot get over. The failure's own message says what happened; this is
//! what `twind status` adds.

use super::failure::Cause;
use crate::hub::azure::{ProvisioningFault, Refusal};
use crate::hub::wire::{ProxyFault, SetupFault, TlsFault, WireFault as Wire};
use tracing::Level;

impl Cause {
    /// What a person must do; `None` of what may mend itself. Whether anybody must is what the log's level says.
    pub(super) fn remedy(&self) -> Option<&'static str> {
        let remedy = match self {
            Self::Wire(fault) => of_wire(fault),
            Self::Provisioning(fault) => of_provisioning(fault),
            Self::Clock { .. } | Self::RegistrationTimeout | Self::Asked(_) => LOOK,
        };
        (self.level() == Level::ERROR).then_some(remedy)
    }
}

/// Where nothing better is known.
const LOOK: &str = "stop the daemon: twind check --hub then walks the way step by step";

fn of_wire(fault: &Wire) -> &'static str {
    match fault {
        Wire::Refused { code, .. } => match Refusal::of(*code) {
            Refusal::Credentials => "compare key and device id with the hub's; is the clock right?",
            Refusal::DeviceId => "compare the device id with the hub's",
            Refusal::Unserved => "is the device enabled? Is the hub's daily quota spent?",
            Refusal::Version => "check host and port: what answers there is no IoT Hub",
            Refusal::Unknown(_) => LOOK,
        },
        Wire::Subscription(_) => "device twins need a hub of the standard or the free tier",
        Wire::Setup(fault) => match fault {
            SetupFault::File { .. } => "mend the file that it names, then systemctl reload twind",
            SetupFault::Hangs(_) => "look at the disk (dmesg), mend or replace it",
            SetupFault::NoRoots => "apt install ca-certificates, or name a root with ca-file",
            SetupFault::ServerName(_) => "correct host or gateway in the configuration",
            SetupFault::Library(_) => LOOK,
        },
        Wire::Proxy { fault, .. } => match fault {
            ProxyFault::WantsCredentials | ProxyFault::WrongCredentials => {
                "correct user and password in `proxy`, then systemctl reload twind"
            }
            _ => "ask those who run the proxy, or correct `proxy`",
        },
        Wire::Tls(fault) => match fault {
            TlsFault::WrongName { .. } => "connect by a name that the certificate is for",
            TlsFault::UnknownIssuer => "name the issuer's certificate with ca-file, if you trust it",
            TlsFault::Expired | TlsFault::NotValidYet => {
                "is this machine's clock right? Else renew the certificate"
            }
            TlsFault::ClientCertificate(_) => "compare certificate-file with what the hub has for the device",
            TlsFault::NotTls => "check host and port; a sign-in page of the network may answer",
            TlsFault::Unfit(_) | TlsFault::Unusable(_) => "have the certificate of what answers issued anew",
            TlsFault::Alert(_) | TlsFault::Other(_) => LOOK,
        },
        _ => LOOK,
    }
}

fn of_provisioning(fault: &ProvisioningFault) -> &'static str {
    match fault {
        ProvisioningFault::Denied | ProvisioningFault::Connect(_) => {
            "compare key or certificate with the enrolment's; is the clock right?"
        }
        ProvisioningFault::Unknown => "compare id-scope and registration-id with the enrolment's",
        ProvisioningFault::Disabled => "enable the enrolment, unless that was meant",
        ProvisioningFault::Unassigned => "link a hub to the service and name it in the enrolment",
        _ => "look at the enrolment in the provisioning service",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::UnixSeconds;

    /// The columns of a page in 80 beside label and arrow.
    const COLUMNS: usize = 69;

    #[test]
    fn what_needs_a_person_has_a_remedy_of_one_line_and_nothing_else_has_one() {
        let refused = |code| Cause::Wire(Wire::Refused { code, at: UnixSeconds(0) });
        let tls = |fault| Cause::Wire(Wire::Tls(fault));
        let setup = |fault| Cause::Wire(Wire::Setup(fault));
        for (cause, says) in [
            (refused(5), "key and device id"),
            (refused(3), "quota"),
            (refused(2), "device id"),
            (tls(TlsFault::UnknownIssuer), "ca-file"),
            (tls(TlsFault::Expired), "clock"),
            (tls(TlsFault::ClientCertificate("x".into())), "certificate-file"),
            (setup(SetupFault::NoRoots), "ca-certificates"),
            (setup(SetupFault::ServerName("x".into())), "host"),
            (Cause::Wire(Wire::Subscription("f")), "tier"),
            (Cause::Provisioning(ProvisioningFault::Unknown), "registration-id"),
            (refused(77), "twind check --hub"),
        ] {
            let remedy = cause.remedy().unwrap_or_else(|| panic!("{cause:?}"));
            assert!(remedy.contains(says) && remedy.chars().count() <= COLUMNS, "{cause:?}: {remedy}");
        }
        for cause in [
            Cause::Wire(Wire::Tcp("x".into())),
            Cause::Wire(Wire::Silent),
            tls(TlsFault::Other("x".into())),
            Cause::Provisioning(ProvisioningFault::Endless),
            Cause::Asked("x"),
        ] {
            assert_eq!(cause.remedy(), None, "{cause:?}");
        }
    }
}
