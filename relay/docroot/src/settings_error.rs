//! What can be wrong with a docroot URL or with `s3.properties`. No text here repeats a secret.

/// Why a docroot's settings were refused. The text says what to write instead.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// `S3://` and the like: prefixes are told apart by case, as in the original.
    #[error("a docroot's prefix is written in small letters: s3:// or file:///")]
    Capitals,
    /// A prefix of a storage that is not supported, or none.
    #[error("a docroot is s3://… or file:///… or an absolute path")]
    Scheme,
    /// A relative path, or one with a `..` in it.
    #[error("the path of a folder must be absolute, without `.` and `..`: file:///srv/sealift")]
    FolderPath,
    /// A query key that does not exist.
    #[error(
        "`{0}` is not a setting of a docroot; there are server-side-encryption, \
         server-side-encryption-aws-kms-key-id, bucket-key, storage-class, region, path-style, allow-http, \
         checksum-trailers"
    )]
    UnknownKey(String),
    /// The same key twice.
    #[error("`{0}` is set twice; remove one")]
    Twice(String),
    /// A value that is not one of those a key has.
    #[error("`{key}` must be {expected}")]
    Value {
        /// The key.
        key: String,
        /// What it takes.
        expected: &'static str,
    },
    /// A KMS key beside an encryption that uses none.
    #[error(
        "a KMS key is named, but server-side-encryption is not AWS_KMS: nothing would be encrypted with it. Add \
         server-side-encryption=AWS_KMS, or remove the key"
    )]
    KeyWithoutKms,
    /// `bucket-key=true` beside an encryption that has none.
    #[error("bucket-key=true needs server-side-encryption=AWS_KMS")]
    BucketKeyWithoutKms,
    /// S3 has no bucket keys for DSSE-KMS.
    #[error("AWS_KMS_DSSE cannot be used with bucket-key=true; remove bucket-key")]
    BucketKeyWithDsse,
    /// The name of a key that cannot be one.
    #[error("server-side-encryption-aws-kms-key-id is not a key's ARN, id or alias: {0}")]
    KmsKey(&'static str),
    /// Objects that need to be restored before they can be read.
    #[error(
        "objects in GLACIER and DEEP_ARCHIVE cannot be read without restoring them first, so nobody could receive \
         them; use GLACIER_IR"
    )]
    ColdStorage,
    /// The bucket's name is missing or impossible.
    #[error(
        "the bucket is missing or has an impossible name (3 to 63 of letters, digits, `.`, `_`, `-`). A first word \
         with a dot in it is read as the endpoint: a bucket with a dot is written s3://s3.amazonaws.com/BUCKET"
    )]
    Bucket,
    /// The path in the bucket.
    #[error(
        "the path in the bucket has an empty, `.` or `..` piece, a control character, or more than 512 bytes"
    )]
    Path,
    /// A host that is none.
    #[error(
        "the endpoint is not a host name or address, with a port from 1 to 65535 if there is one"
    )]
    Host,
    /// The address at which clouds hand out credentials.
    #[error("the endpoint is an address at which clouds hand out credentials; it is no S3 server")]
    MetadataAddress,
    /// The environment names an endpoint, the URL does not.
    #[error(
        "AWS_ENDPOINT_URL is set in the environment, but the docroot URL names no endpoint: write it into the URL, \
         or remove the variable"
    )]
    EndpointInEnvironment,
    /// Credentials that are incomplete or not encoded. The text never shows them.
    #[error(
        "the credentials in the URL are not ACCESS_ID:SECRET@ with every `/`, `@`, `:`, `?` and `%` inside them \
         percent-encoded (`/` is %2F)"
    )]
    Credentials,
    /// A `%` that is not followed by two hexadecimal digits, or bytes that are no UTF-8.
    #[error(
        "a percent sign in the URL must be followed by two hexadecimal digits and spell UTF-8 (a plain one is %25)"
    )]
    Encoding,
    /// The text has control characters, spaces or a fragment.
    #[error(
        "the URL has a space, a control character or a `#` in it; percent-encode what belongs to it"
    )]
    Characters,
    /// Longer than any docroot URL.
    #[error("the URL is longer than 4,096 bytes")]
    TooLong,
    /// A line of a properties file.
    #[error("line {line} of s3.properties: {error}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        error: Box<SettingsError>,
    },
    /// A line of a properties file that has no value.
    #[error("a setting is written KEY=VALUE")]
    NoValue,
    /// A key of a properties file that looks like one of ours but is not.
    #[error("`{0}` is not a setting; is it misspelt?")]
    Misspelt(String),
}

impl SettingsError {
    /// The stable name of what is wrong: snake_case, the same in reports and documentation. None of these can be
    /// mended by waiting, and who mends them is the docroot's admin.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Capitals => "docroot_url_capitals",
            Self::Scheme => "docroot_url_scheme",
            Self::FolderPath => "docroot_folder_path",
            Self::UnknownKey(_) | Self::Misspelt(_) => "docroot_setting_unknown",
            Self::Twice(_) => "docroot_setting_twice",
            Self::Value { .. } => "docroot_setting_value",
            Self::KeyWithoutKms => "kms_key_without_kms",
            Self::BucketKeyWithoutKms => "bucket_key_without_kms",
            Self::BucketKeyWithDsse => "bucket_key_with_dsse",
            Self::KmsKey(_) => "kms_key_malformed",
            Self::ColdStorage => "storage_class_cold",
            Self::Bucket => "bucket_name",
            Self::Path => "docroot_path",
            Self::Host => "endpoint_malformed",
            Self::MetadataAddress => "endpoint_is_metadata",
            Self::EndpointInEnvironment => "endpoint_in_environment",
            Self::Credentials => "credentials_malformed",
            Self::Encoding => "docroot_url_encoding",
            Self::Characters => "docroot_url_characters",
            Self::TooLong => "docroot_url_too_long",
            Self::NoValue => "docroot_setting_without_value",
            Self::Line { error, .. } => error.code(),
        }
    }
}
