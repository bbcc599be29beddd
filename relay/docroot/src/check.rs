//! `docroot check`: tries everything that the relay will do, and says what is missing and who can mend it.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt as _;
use serde::Serialize;

use crate::s3::Sse;
use crate::{Cause, Docroot, DocrootError, DocrootSettings, Name, Shape};

/// What a check found.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// Where it is, without credentials.
    pub place: String,
    /// `folder` or `s3`.
    pub kind: &'static str,
    /// The S3 server; `None` for a folder.
    pub endpoint: Option<String>,
    /// The bucket.
    pub bucket: Option<String>,
    /// The encryption that was asked for: NONE, AES256, AWS_KMS or AWS_KMS_DSSE.
    pub asked: Option<&'static str>,
    /// The key that was asked for.
    pub asked_key: Option<String>,
    /// The encryption that the server showed.
    pub found: Option<Sse>,
    /// How long a small write takes until it is answered, in milliseconds.
    pub round_trip_ms: Option<u64>,
    /// Notes that are no failures.
    pub notes: Vec<String>,
    /// What was tried.
    pub steps: Vec<CheckStep>,
}

/// One thing that was tried.
#[derive(Clone, Debug, Serialize)]
pub struct CheckStep {
    /// What.
    pub name: &'static str,
    /// Milliseconds it took.
    pub ms: u64,
    /// Why it failed.
    pub error: Option<CheckError>,
}

/// Why a step failed.
#[derive(Clone, Debug, Serialize)]
pub struct CheckError {
    /// The stable code.
    pub code: &'static str,
    /// What happened and what to do.
    pub text: String,
    /// Who can mend it.
    pub who: &'static str,
    /// Whether it can work later by itself.
    pub retryable: bool,
    /// Permissions, by their IAM names, of which one or more are missing.
    pub missing_permissions: Vec<&'static str>,
}

impl CheckReport {
    pub(crate) fn new(settings: &DocrootSettings) -> Self {
        let s3 = match settings {
            DocrootSettings::S3(s3) => Some(s3),
            DocrootSettings::Folder(_) => None,
        };
        Self {
            place: settings.to_string(),
            kind: if s3.is_some() { "s3" } else { "folder" },
            endpoint: s3.map(|s3| match &s3.endpoint {
                Some(endpoint) => endpoint.to_string(),
                None => format!(
                    "AWS, {}",
                    s3.region.as_deref().unwrap_or("region of the environment")
                ),
            }),
            bucket: s3.map(|s3| s3.bucket.clone()),
            asked: s3.map(|s3| s3.encryption.as_str()),
            asked_key: s3.and_then(|s3| Some(s3.encryption.key()?.to_string())),
            found: None,
            round_trip_ms: None,
            notes: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// Whether the docroot can be used.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.steps.iter().all(|step| step.error.is_none())
    }

    /// The first thing that failed, in one line.
    #[must_use]
    pub fn cause(&self) -> Option<String> {
        self.steps.iter().find_map(|step| {
            let error = step.error.as_ref()?;
            let missing = match error.missing_permissions.as_slice() {
                [] => String::new(),
                missing => format!("; missing: {}", missing.join(", ")),
            };
            Some(format!(
                "{}: {}: {}{missing} ({})",
                error.code, step.name, error.text, error.who
            ))
        })
    }

    /// Notes the end of a step; answers its value if it went well.
    pub(crate) fn step<T>(
        &mut self,
        name: &'static str,
        permissions: &[&'static str],
        began: Instant,
        result: Result<T, DocrootError>,
    ) -> Option<T> {
        let ms = milliseconds(began.elapsed());
        let (value, error) = match result {
            Ok(value) => (Some(value), None),
            Err(error) => (None, Some(CheckError::new(&error, permissions))),
        };
        self.steps.push(CheckStep { name, ms, error });
        value
    }

    /// A docroot that could not even be opened.
    #[must_use]
    pub fn unopened(settings: &DocrootSettings, error: &DocrootError) -> Self {
        let mut report = Self::new(settings);
        report.step::<()>("open", &[], Instant::now(), Err(error.clone()));
        report
    }
}

pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl CheckError {
    fn new(error: &DocrootError, permissions: &[&'static str]) -> Self {
        let (cause, detail) = match error {
            DocrootError::S3(error) => (Some(error.cause), error.detail.as_str()),
            _ => (None, ""),
        };
        // The server's text may name the very one.
        let named: Vec<_> = permissions
            .iter()
            .copied()
            .filter(|p| detail.contains(p))
            .collect();
        let of_kind = |kind: &str| {
            permissions
                .iter()
                .copied()
                .filter(|p| p.starts_with(kind))
                .collect()
        };
        let missing_permissions = match cause {
            Some(Cause::AccessDenied | Cause::KmsAccessDenied) if !named.is_empty() => named,
            Some(Cause::AccessDenied) => of_kind("s3:"),
            Some(Cause::KmsAccessDenied) => of_kind("kms:"),
            _ => Vec::new(),
        };
        Self {
            code: error.code(),
            text: error.to_string(),
            who: error.who(),
            retryable: error.retryable(),
            missing_permissions,
        }
    }
}

impl Docroot {
    /// Tries everything that will be done: write, look, read a range, an upload in parts that is left and gone
    /// on with, abort, delete. Leaves nothing behind. What it learns of the server is used from then on.
    pub async fn check(&self, settings: &DocrootSettings) -> CheckReport {
        let mut report = CheckReport::new(settings);
        match self.as_s3() {
            // Boxed: the chain of what it awaits is long.
            Some(s3) => s3.probe(&mut report).boxed().await,
            None => self.probe_folder(&mut report).await,
        }
        report
    }

    async fn probe_folder(&self, report: &mut CheckReport) {
        const BYTES: &[u8] = b"sealift docroot check";
        let shape = Shape {
            length_bytes: BYTES.len() as u64,
            part_bytes: 10,
        };
        let folder = format!("sealift-check-{}", std::process::id());
        let (Ok(small), Ok(body)) = (Name::new(&folder, "small"), Name::new(&folder, "body"))
        else {
            return;
        };
        let began = Instant::now();
        let wrote = self.put(&small, Bytes::from_static(BYTES)).await;
        if report.step("write", &[], began, wrote).is_none() {
            return;
        }
        report.round_trip_ms = Some(milliseconds(began.elapsed()));
        let began = Instant::now();
        let read = async {
            let mut reader = self.read(&small, 8, 7).await?;
            match reader.next().await? {
                Some(bytes) if bytes == BYTES[8..15] => Ok(()),
                _ => Err(DocrootError::Storage(
                    "other bytes were read than written".to_owned(),
                )),
            }
        };
        report.step("range read", &[], began, read.await);
        let began = Instant::now();
        let parts = async {
            for numbers in [[0, 2].as_slice(), &[1]] {
                // Opened anew for the last part: that is what a resume does.
                let upload = self.upload(&body, shape, None).await?;
                for &number in numbers {
                    let (offset, length) = shape.part(number).ok_or(DocrootError::OutOfRange)?;
                    let range = offset as usize..(offset + length) as usize;
                    let mut part = upload.part(number)?;
                    part.write(vec![Bytes::from_static(&BYTES[range])]).await?;
                    part.durable().await?;
                }
            }
            self.commit(&body, shape, None, &[]).await.map(drop)
        };
        report.step("upload in parts, resumed", &[], began, parts.await);
        let began = Instant::now();
        report.step("delete", &[], began, self.delete_folder(&folder).await);
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: &str| writeln!(f, "{name:<26} {value}");
        row("place", &self.place)?;
        if let Some(endpoint) = &self.endpoint {
            row("endpoint", endpoint)?;
        }
        if let Some(bucket) = &self.bucket {
            row("bucket", bucket)?;
        }
        if let Some(asked) = self.asked {
            let key = self.asked_key.as_ref().map(|key| format!(", key {key}"));
            row(
                "encryption asked for",
                &format!("{asked}{}", key.unwrap_or_default()),
            )?;
            let found = self.found.as_ref();
            let found = found.map(|found| match (&found.algorithm, &found.key) {
                (None, _) => "none".to_owned(),
                (Some(algorithm), None) => algorithm.clone(),
                (Some(algorithm), Some(key)) => format!("{algorithm}, key {key}"),
            });
            row("encryption found", found.as_deref().unwrap_or("not known"))?;
        }
        if let Some(ms) = self.round_trip_ms {
            row("round trip of a write", &format!("{ms} ms"))?;
        }
        for step in &self.steps {
            match &step.error {
                None => row(step.name, &format!("ok, {} ms", step.ms))?,
                Some(error) => {
                    row(step.name, &format!("FAILED: {}", error.code))?;
                    row("", &error.text)?;
                    row("", &format!("who can mend it: {}", error.who))?;
                    if !error.missing_permissions.is_empty() {
                        row(
                            "",
                            &format!(
                                "missing permission: {}",
                                error.missing_permissions.join(", ")
                            ),
                        )?;
                    }
                }
            }
        }
        for note in &self.notes {
            row("note", note)?;
        }
        Ok(())
    }
}
