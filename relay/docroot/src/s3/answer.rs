//! What the client library's errors mean. S3 servers differ; every rule here was seen or is documented.

use std::error::Error;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;

use super::cause::{Cause, S3Error};

/// Longest text of a server that is repeated, in characters.
const DETAIL_CHARS: usize = 200;

/// What an error shows of itself, apart from the library's types: so that the table below can be tested.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen<'a> {
    pub(super) status: u16,
    pub(super) code: &'a str,
    pub(super) message: &'a str,
    pub(super) operation: &'static str,
}

/// Reads an error.
pub(super) fn explain<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> S3Error
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let status = error.raw_response().map_or(0, |raw| raw.status().as_u16());
    let code = error.code().unwrap_or_default();
    let message = error.message().unwrap_or_default();
    let chain = chain(error);
    let cause = match error {
        SdkError::TimeoutError(_) => Cause::Stalled,
        // The body ended early: its sender was silent.
        SdkError::DispatchFailure(failure) if failure.is_user() => Cause::Stalled,
        SdkError::DispatchFailure(failure) => dispatch(failure.is_timeout(), &chain),
        SdkError::ConstructionFailure(_) => dispatch(false, &chain),
        _ => {
            let message = if message.is_empty() { &chain } else { message };
            cause(Seen {
                status,
                code,
                message,
                operation,
            })
        }
    };
    let said = match (code, message) {
        ("", "") if status == 0 => chain,
        ("", "") => format!("status {status}"),
        _ => format!("{code} {message}"),
    };
    S3Error {
        cause,
        operation,
        detail: shown(&said),
        request_id: error.request_id().map(shown),
    }
}

/// A text from outside, in one short line.
fn shown(text: &str) -> String {
    text.trim()
        .chars()
        .take(DETAIL_CHARS)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// All that an error and its sources say.
fn chain(error: &dyn Error) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let one = error.to_string();
        if !text.ends_with(&one) {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(&one);
        }
        next = error.source();
    }
    text
}

fn dispatch(timeout: bool, chain: &str) -> Cause {
    let text = chain.to_ascii_lowercase();
    if text.contains("credential") || text.contains("identity") {
        Cause::CredentialsMissing
    } else if timeout && !text.contains("connect") || text.contains("minimum throughput") {
        Cause::Stalled
    } else {
        Cause::Unreachable
    }
}

/// The table.
pub(super) fn cause(seen: Seen<'_>) -> Cause {
    let Seen {
        status,
        code,
        message,
        operation,
    } = seen;
    let lower = message.to_ascii_lowercase();
    let names_kms = lower.contains("kms");
    // Ceph says so for a key that its KMS does not know, under several codes.
    if lower.contains("failed to retrieve the actual key") {
        return match status {
            403 if code == "AccessDenied" => Cause::KmsAccessDenied,
            500.. => Cause::Busy,
            _ => Cause::KmsKeyNotFound,
        };
    }
    match code {
        "KMS.NotFoundException" => Cause::KmsKeyNotFound,
        "KMS.DisabledException" => Cause::KmsKeyDisabled,
        "KMS.KMSInvalidStateException"
        | "KMS.KeyUnavailableException"
        | "KMS.InvalidKeyUsageException" => Cause::KmsKeyUnusable,
        "KMS.AccessDeniedException" => Cause::KmsAccessDenied,
        "KMS.ThrottlingException" => Cause::KmsThrottled,
        "SlowDown" | "ServiceUnavailable" if names_kms => Cause::KmsThrottled,
        "AccessDenied" if names_kms => Cause::KmsAccessDenied,
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" => Cause::AccessDenied,
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "AuthorizationQueryParametersError" => {
            Cause::CredentialsInvalid
        }
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => Cause::CredentialsExpired,
        "RequestTimeTooSkewed" | "RequestExpired" => Cause::ClockSkew,
        "NoSuchBucket" => Cause::BucketNotFound,
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException"
        | "IncorrectEndpoint" => Cause::WrongRegion,
        "NoSuchUpload" => Cause::UploadGone,
        // Ceph: after an abort or a complete; but also a lost key, where a body is written.
        "NoSuchKey" if operation == "ListParts" => Cause::UploadGone,
        "NoSuchKey"
            if matches!(
                operation,
                "PutObject" | "CreateMultipartUpload" | "UploadPart"
            ) =>
        {
            Cause::KmsKeyNotFound
        }
        "InvalidPart" | "InvalidPartOrder" | "EntityTooSmall" => Cause::PartsMismatch,
        "BadDigest"
        | "XAmzContentSHA256Mismatch"
        | "InvalidDigest"
        | "XAmzContentChecksumMismatch" => Cause::ChecksumMismatch,
        "PreconditionFailed" => Cause::ObjectExists,
        "ConditionalRequestConflict" | "OperationAborted" => Cause::WriteConflict,
        "RequestTimeout" => Cause::Stalled,
        "QuotaExceeded" | "XMinioStorageFull" | "InsufficientCapacity" => Cause::Full,
        "InvalidRequest" | "InvalidArgument"
            if lower.contains("secure connection") || lower.contains("signature version 4") =>
        {
            Cause::KmsNeedsTls
        }
        "InvalidArgument" | "InvalidEncryptionAlgorithmError" | "NotImplemented"
            if matches!(operation, "PutObject" | "CreateMultipartUpload")
                && (names_kms
                    || lower.contains("encryption")
                    || status == 501
                    || message.is_empty()) =>
        {
            Cause::SseNotSupported
        }
        _ => by_status(status),
    }
}

fn by_status(status: u16) -> Cause {
    match status {
        301 | 302 | 303 | 307 | 308 => Cause::WrongRegion,
        401 | 403 => Cause::AccessDenied,
        409 => Cause::WriteConflict,
        412 => Cause::ObjectExists,
        408 => Cause::Stalled,
        507 => Cause::Full,
        429 | 500..=599 => Cause::Busy,
        _ => Cause::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_were_seen_to_say() {
        for (status, code, message, operation, expected) in [
            (
                400,
                "KMS.NotFoundException",
                "Invalid keyId",
                "PutObject",
                Cause::KmsKeyNotFound,
            ),
            (
                403,
                "InvalidAccessKeyId",
                "Failed to retrieve the actual key, kms-keyid: x",
                "PutObject",
                Cause::KmsKeyNotFound,
            ),
            (
                404,
                "NoSuchKey",
                "Failed to retrieve the actual key",
                "UploadPart",
                Cause::KmsKeyNotFound,
            ),
            (
                403,
                "AccessDenied",
                "Failed to retrieve the actual key",
                "UploadPart",
                Cause::KmsAccessDenied,
            ),
            (404, "NoSuchKey", "", "UploadPart", Cause::KmsKeyNotFound),
            (
                400,
                "KMS.DisabledException",
                "is disabled",
                "PutObject",
                Cause::KmsKeyDisabled,
            ),
            (
                400,
                "KMS.KMSInvalidStateException",
                "pending deletion",
                "PutObject",
                Cause::KmsKeyUnusable,
            ),
            (
                403,
                "AccessDenied",
                "not authorized to perform: kms:GenerateDataKey",
                "CreateMultipartUpload",
                Cause::KmsAccessDenied,
            ),
            (
                403,
                "AccessDenied",
                "not authorized to perform: kms:Decrypt",
                "UploadPart",
                Cause::KmsAccessDenied,
            ),
            (
                403,
                "AccessDenied",
                "Access Denied",
                "PutObject",
                Cause::AccessDenied,
            ),
            (
                503,
                "SlowDown",
                "Please reduce your request rate for operations involving AWS KMS",
                "PutObject",
                Cause::KmsThrottled,
            ),
            (
                503,
                "SlowDown",
                "Please reduce your request rate",
                "PutObject",
                Cause::Busy,
            ),
            (
                400,
                "InvalidArgument",
                "Requests specifying Server Side Encryption with AWS KMS managed keys must be made over a secure connection",
                "PutObject",
                Cause::KmsNeedsTls,
            ),
            (
                400,
                "InvalidArgument",
                "The encryption method specified is not supported",
                "PutObject",
                Cause::SseNotSupported,
            ),
            (
                501,
                "NotImplemented",
                "A header you provided",
                "CreateMultipartUpload",
                Cause::SseNotSupported,
            ),
            (
                403,
                "SignatureDoesNotMatch",
                "",
                "PutObject",
                Cause::CredentialsInvalid,
            ),
            (
                400,
                "ExpiredToken",
                "The provided token has expired",
                "PutObject",
                Cause::CredentialsExpired,
            ),
            (
                403,
                "RequestTimeTooSkewed",
                "",
                "PutObject",
                Cause::ClockSkew,
            ),
            (404, "NoSuchBucket", "", "PutObject", Cause::BucketNotFound),
            (
                301,
                "PermanentRedirect",
                "",
                "PutObject",
                Cause::WrongRegion,
            ),
            (307, "", "", "PutObject", Cause::WrongRegion),
            (
                400,
                "AuthorizationHeaderMalformed",
                "the region 'us-east-1' is wrong",
                "PutObject",
                Cause::WrongRegion,
            ),
            (404, "NoSuchUpload", "", "UploadPart", Cause::UploadGone),
            (404, "NoSuchKey", "", "ListParts", Cause::UploadGone),
            (
                400,
                "InvalidPart",
                "",
                "CompleteMultipartUpload",
                Cause::PartsMismatch,
            ),
            (400, "BadDigest", "", "UploadPart", Cause::ChecksumMismatch),
            (
                412,
                "PreconditionFailed",
                "",
                "PutObject",
                Cause::ObjectExists,
            ),
            (
                409,
                "ConditionalRequestConflict",
                "",
                "CompleteMultipartUpload",
                Cause::WriteConflict,
            ),
            (500, "InternalError", "", "UploadPart", Cause::Busy),
            (503, "", "", "HeadObject", Cause::Busy),
            (400, "RequestTimeout", "", "UploadPart", Cause::Stalled),
            (403, "QuotaExceeded", "", "UploadPart", Cause::Full),
            (507, "XMinioStorageFull", "", "UploadPart", Cause::Full),
            (418, "", "", "PutObject", Cause::Failed),
        ] {
            let seen = Seen {
                status,
                code,
                message,
                operation,
            };
            assert_eq!(cause(seen), expected, "{seen:?}");
        }
    }

    #[test]
    fn texts_of_servers_are_shown_in_one_short_line() {
        assert_eq!(shown(" a\r\nb\u{1b}[1m "), "a  b [1m");
        assert_eq!(shown(&"x".repeat(1000)).len(), DETAIL_CHARS);
    }
}
