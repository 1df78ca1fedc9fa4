//! TensorBoard's event files, without TensorFlow.
//!
//! An event file is a sequence of records ("TFRecord"): the length of the data as u64, a checksum of
//! these eight bytes, the data, a checksum of the data; everything little-endian. A checksum is
//! CRC-32C, rotated right by 15 bits and offset by a constant, so that checksums of data that holds
//! checksums stay strong. The data of a record is one `Event` message of the protocol-buffer
//! definitions `event.proto` and `summary.proto`, of which the structs below hold what is used.

use crate::error::{Error, Result};
use image::{DynamicImage, ImageFormat};
use prost::Message;
use std::fs::{File, OpenOptions};
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(oneof = "Content", tags = "2, 4")]
    content: Option<Content>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Content {
    #[prost(float, tag = "2")]
    Scalar(f32),
    #[prost(message, tag = "4")]
    Image(Image),
}

#[derive(Clone, PartialEq, Message)]
struct Image {
    #[prost(int32, tag = "1")]
    height: i32,
    #[prost(int32, tag = "2")]
    width: i32,
    /// The number of channels.
    #[prost(int32, tag = "3")]
    colorspace: i32,
    #[prost(bytes = "vec", tag = "4")]
    png: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// `SessionLog.SessionStatus.START`: readers forget all events at or after this event's step.
const SESSION_START: i32 = 1;
/// The version that readers want in the first event before they heed a session's start.
const FILE_VERSION: &str = "brain.Event:2";

/// An event file that grows by whole records.
#[derive(Debug)]
pub struct EventWriter {
    path: PathBuf,
    file: File,
}

impl EventWriter {
    /// Opens a new event file in `run_dir`, named after the present time as TensorBoard sorts them.
    /// `restart_at` is the first step about to be trained where a run is resumed: TensorBoard drops
    /// what older files say about it and later ones.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be created or written.
    pub fn create(run_dir: impl AsRef<Path>, restart_at: Option<u64>) -> Result<Self> {
        let (path, file) = create_file(run_dir.as_ref())?;
        let mut writer = Self { path, file };
        writer.write(0, What::FileVersion(FILE_VERSION.into()))?;
        if let Some(step) = restart_at {
            writer.write(step, What::SessionLog(SessionLog { status: SESSION_START }))?;
        }
        Ok(writer)
    }

    /// One point on each of the curves named.
    ///
    /// # Errors
    /// [`Error::Io`] that names the event file.
    pub fn scalars(&mut self, step: u64, values: &[(&str, f32)]) -> Result<()> {
        let value = |&(tag, scalar): &(&str, f32)| Value {
            tag: tag.into(),
            content: Some(Content::Scalar(scalar)),
        };
        self.write(step, What::Summary(Summary { values: values.iter().map(value).collect() }))
    }

    /// A picture under `tag`.
    ///
    /// # Errors
    /// [`Error::Io`] that names the event file.
    pub fn image(&mut self, step: u64, tag: &str, image: &DynamicImage) -> Result<()> {
        let mut png = Cursor::new(Vec::new());
        image.write_to(&mut png, ImageFormat::Png).map_err(|e| self.failed(io::Error::other(e)))?;
        let content = Content::Image(Image {
            height: image.height() as i32,
            width: image.width() as i32,
            colorspace: i32::from(image.color().channel_count()),
            png: png.into_inner(),
        });
        let value = Value { tag: tag.into(), content: Some(content) };
        self.write(step, What::Summary(Summary { values: vec![value] }))
    }

    fn write(&mut self, step: u64, what: What) -> Result<()> {
        let wall_time = since_1970().as_secs_f64();
        let event = Event { wall_time, step: step as i64, what: Some(what) };
        self.file.write_all(&record(&event.encode_to_vec())).map_err(|e| self.failed(e))
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::io("append to", &self.path, source)
    }
}

/// Two sessions within one second must not share a file: the later one takes the next free second.
fn create_file(run_dir: &Path) -> Result<(PathBuf, File)> {
    let mut seconds = since_1970().as_secs();
    loop {
        let path = run_dir.join(format!("events.out.tfevents.{seconds:010}.dermaglyph"));
        match OpenOptions::new().append(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => seconds += 1,
            Err(e) => return Err(Error::io("create", path, e)),
        }
    }
}

/// A clock set before 1970 reads as 1970.
fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend_from_slice(&length);
    record.extend_from_slice(&masked_crc(&length).to_le_bytes());
    record.extend_from_slice(data);
    record.extend_from_slice(&masked_crc(data).to_le_bytes());
    record
}

fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xA282_EAD8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::image::{GrayImage, RgbImage};
    use std::collections::BTreeMap;

    /// CRC-32C bit by bit: the reversed Castagnoli polynomial.
    fn crc_by_definition(data: &[u8]) -> u32 {
        !data.iter().fold(!0u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |c, _| {
                (c >> 1) ^ (0x82F6_3B78 & (c & 1).wrapping_neg())
            })
        })
    }

    fn masked(data: &[u8]) -> u32 {
        let crc = crc_by_definition(data);
        crc.rotate_left(17).wrapping_add(0xa282_ead8)
    }

    fn u32_at(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    /// The data of all records; panics on a wrong checksum.
    fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        while !bytes.is_empty() {
            let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            assert_eq!(u32_at(bytes, 8), masked(&bytes[..8]));
            let data = &bytes[12..12 + length];
            assert_eq!(u32_at(bytes, 12 + length), masked(data));
            records.push(data.to_vec());
            bytes = &bytes[16 + length..];
        }
        records
    }

    /// The fields of one message by the wire format: numbers as 8 bytes, the rest as it stands.
    fn fields(mut bytes: &[u8]) -> BTreeMap<u64, Vec<Vec<u8>>> {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let mut value = 0;
            for shift in (0..).step_by(7) {
                let byte = bytes[0];
                *bytes = &bytes[1..];
                value |= u64::from(byte & 0x7f) << shift;
                if byte < 0x80 {
                    break;
                }
            }
            value
        }
        let mut fields: BTreeMap<u64, Vec<Vec<u8>>> = BTreeMap::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let content = match key & 7 {
                0 => varint(&mut bytes).to_le_bytes().to_vec(),
                wire => {
                    let length = match wire {
                        1 => 8,
                        2 => varint(&mut bytes) as usize,
                        5 => 4,
                        other => panic!("wire type {other}"),
                    };
                    let (content, rest) = bytes.split_at(length);
                    bytes = rest;
                    content.to_vec()
                }
            };
            fields.entry(key >> 3).or_default().push(content);
        }
        fields
    }

    fn number(bytes: &[u8]) -> u64 {
        u64::from_le_bytes(bytes.try_into().unwrap())
    }

    fn read(folder: &Path) -> Vec<Vec<Vec<u8>>> {
        let mut paths: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| records(&std::fs::read(path).unwrap())).collect()
    }

    #[test]
    fn the_readers_own_checksum_is_the_published_one() {
        assert_eq!(crc_by_definition(b"123456789"), 0xE306_9283);
    }

    #[test]
    fn scalars_read_back_by_the_wire_format() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = EventWriter::create(folder.path(), None).unwrap();
        writer.scalars(300, &[("loss/d", 1.25), ("loss/g", f32::NAN)]).unwrap();
        let events = &read(folder.path())[0];
        assert_eq!(events.len(), 2);
        assert_eq!(fields(&events[0])[&3], [b"brain.Event:2"]);

        let event = fields(&events[1]);
        let wall_time = f64::from_bits(number(&event[&1][0]));
        assert!((wall_time - since_1970().as_secs_f64()).abs() < 60.0);
        assert_eq!(number(&event[&2][0]), 300);
        let values = &fields(&event[&5][0])[&1];
        assert_eq!(values.len(), 2);
        assert_eq!(fields(&values[0])[&1], [b"loss/d"]);
        assert_eq!(fields(&values[0])[&2], [1.25f32.to_le_bytes()]);
        assert_eq!(fields(&values[1])[&1], [b"loss/g"]);
        assert!(f32::from_bits(u32_at(&fields(&values[1])[&2][0], 0)).is_nan());
    }

    #[test]
    fn pictures_read_back_as_png() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = EventWriter::create(folder.path(), None).unwrap();
        let grey = GrayImage::from_fn(30, 20, |x, y| [(x * y) as u8].into());
        let rgb = RgbImage::from_fn(7, 9, |x, y| [x as u8, y as u8, 99].into());
        writer.image(5, "samples", &grey.clone().into()).unwrap();
        writer.image(6, "samples", &rgb.clone().into()).unwrap();
        for (event, expected) in read(folder.path())[0][1..]
            .iter()
            .zip([(20, 30, 1, DynamicImage::from(grey)), (9, 7, 3, DynamicImage::from(rgb))])
        {
            let summary = &fields(event)[&5][0];
            let value = fields(&fields(summary)[&1][0]);
            assert_eq!(value[&1], [b"samples"]);
            let image = fields(&value[&4][0]);
            let sizes = [1, 2, 3].map(|field| number(&image[&field][0]));
            assert_eq!(sizes, [expected.0, expected.1, expected.2]);
            assert_eq!(::image::load_from_memory(&image[&4][0]).unwrap(), expected.3);
        }
    }

    #[test]
    fn a_second_session_has_its_own_file_and_announces_where_it_starts() {
        let folder = tempfile::tempdir().unwrap();
        EventWriter::create(folder.path(), None).unwrap();
        EventWriter::create(folder.path(), Some(41)).unwrap();
        EventWriter::create(folder.path(), Some(7)).unwrap();
        let files = read(folder.path());
        let starts: Vec<_> = files
            .iter()
            .map(|events| {
                assert!(fields(&events[0]).contains_key(&3));
                events.get(1).map(|event| {
                    let event = fields(event);
                    assert_eq!(number(&fields(&event[&7][0])[&1][0]), 1, "START");
                    number(&event[&2][0])
                })
            })
            .collect();
        assert_eq!(starts, [None, Some(41), Some(7)]);
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let error = EventWriter::create("/nowhere/at/all", None).unwrap_err();
        assert!(matches!(error, Error::Io { action: "create", .. }), "{error}");
    }
}
