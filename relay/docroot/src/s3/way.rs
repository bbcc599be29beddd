//! How the bytes of an upload get to S3: what is recorded with the file, so that any relay can go on with it.

use super::asked::Asked;
use crate::DocrootError;

/// One request or many. Without `asked` it was recorded by a version that did not yet record that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// One `PutObject`.
    Single { asked: Option<Asked> },
    /// A multipart upload.
    Multipart {
        token: String,
        asked: Option<Asked>,
        upload_id: String,
    },
}

impl Way {
    /// Words with a space between; the upload's id is the last one.
    pub(super) fn to_text(&self) -> String {
        let word = |asked: &Option<Asked>| {
            let word = asked.as_ref().map(Asked::to_text);
            word.map(|word| format!(" {word}")).unwrap_or_default()
        };
        match self {
            Self::Single { asked } => format!("single{}", word(asked)),
            Self::Multipart {
                token,
                asked,
                upload_id,
            } => format!("multipart {token}{} {upload_id}", word(asked)),
        }
    }

    /// Reads what was recorded.
    pub(super) fn from_text(text: &str) -> Result<Self, DocrootError> {
        let words: Vec<&str> = text.split(' ').collect();
        let multipart = |token: &str, asked, id: &str| Self::Multipart {
            token: token.to_owned(),
            asked,
            upload_id: id.to_owned(),
        };
        match words.as_slice() {
            ["single"] => Ok(Self::Single { asked: None }),
            ["single", asked] => Ok(Self::Single {
                asked: Some(Asked::from_text(asked)?),
            }),
            ["multipart", token, id] => Ok(multipart(token, None, id)),
            ["multipart", token, asked, id] => {
                Ok(multipart(token, Some(Asked::from_text(asked)?), id))
            }
            _ => Err(DocrootError::Storage(
                "the record of an upload cannot be read".to_owned(),
            )),
        }
    }

    /// What was asked for when it began.
    pub(super) fn asked(&self) -> Option<&Asked> {
        match self {
            Self::Single { asked } | Self::Multipart { asked, .. } => asked.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_reads_back() {
        for asked in [None, Some(Asked::default())] {
            let way = Way::Multipart {
                token: "ab".to_owned(),
                asked: asked.clone(),
                upload_id: "2~x/y+z=".to_owned(),
            };
            assert_eq!(Way::from_text(&way.to_text()).unwrap(), way);
            let way = Way::Single { asked };
            assert_eq!(Way::from_text(&way.to_text()).unwrap(), way);
        }
        let before = Way::from_text("multipart ab id").unwrap();
        assert!(before.asked().is_none());
        for bad in [
            "",
            "x",
            "multipart",
            "multipart a",
            "multipart a b c",
            "multipart a ||| b c",
            "single x",
            "single ||| x",
        ] {
            assert!(Way::from_text(bad).is_err(), "{bad}");
        }
    }
}
