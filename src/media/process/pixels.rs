//! Pictures and images on their way from a child.
//!
//! Belongs here: asking for those of a frame, and their bytes. Does not: everything else that
//! goes between the two ([`super::wire`]).

use std::io::{self, Read, Write};

use super::wire::{MAX_BYTES, broken, write};
use crate::features::{Crop, ScaledFrame, Seen, Viewport};
use crate::picture::Picture;

/// The longest side of a picture ([`Frame`](crate::media::Frame) makes none larger).
const MAX_SIDE: u32 = 16_384;

/// By what goes over the wire for them.
const CROPS: [Option<Crop>; 4] = [
    None,
    Some(Crop::Full),
    Some(Crop::Center),
    Some(Crop::Squeeze),
];

/// What is wanted of a frame that a child holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub id: u64,
    /// What the network sees of it; all of its picture if not given.
    pub crop: Option<Crop>,
}

impl Wish {
    /// As bytes.
    pub fn to_bytes(self) -> [u8; 9] {
        let mut bytes = [0; 9];
        bytes[..8].copy_from_slice(&self.id.to_le_bytes());
        let place = CROPS.iter().position(|crop| *crop == self.crop);
        bytes[8] = place.map_or(0, |place| place as u8);
        bytes
    }

    /// Reads one.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let (mut id, mut crop) = ([0; 8], [0]);
        from.read_exact(&mut id)?;
        from.read_exact(&mut crop)?;
        Ok(Self {
            id: u64::from_le_bytes(id),
            crop: *CROPS
                .get(usize::from(crop[0]))
                .ok_or_else(|| broken("no such crop"))?,
        })
    }
}

/// Writes a picture, or why there is none.
pub(super) fn write_picture(
    to: &mut impl Write,
    picture: &Result<Picture, String>,
) -> io::Result<()> {
    match picture {
        Ok(picture) => {
            to.write_all(&[1])?;
            to.write_all(&picture.width.to_le_bytes())?;
            to.write_all(&picture.height.to_le_bytes())?;
            to.write_all(&picture.rgb)
        }
        Err(cause) => write(to, 0, &[cause.as_bytes()]),
    }
}

/// Reads a picture, or why there is none.
pub(super) fn read_picture(from: &mut impl Read) -> io::Result<Result<Picture, String>> {
    if let Some(cause) = read_cause(from)? {
        return Ok(Err(cause));
    }
    let [width, height] = read_size(from)?;
    let rgb = read_pixels(from, width, height)?;
    Ok(Ok(Picture { width, height, rgb }))
}

/// Writes what is seen of a frame, or why that is nothing.
pub(super) fn write_seen(to: &mut impl Write, seen: &Result<Seen, String>) -> io::Result<()> {
    let seen = match seen {
        Ok(seen) => seen,
        Err(cause) => return write(to, 0, &[cause.as_bytes()]),
    };
    to.write_all(&[1])?;
    let ScaledFrame { view, .. } = &seen.image;
    let (image, picture) = (&seen.image, [seen.width, seen.height]);
    for number in picture.into_iter().chain([image.width, image.height]) {
        to.write_all(&number.to_le_bytes())?;
    }
    for number in [view.left, view.top, view.width, view.height] {
        to.write_all(&number.to_le_bytes())?;
    }
    to.write_all(&image.rgb)
}

/// Reads what is seen of a frame, or why that is nothing.
pub(super) fn read_seen(from: &mut impl Read) -> io::Result<Result<Seen, String>> {
    if let Some(cause) = read_cause(from)? {
        return Ok(Err(cause));
    }
    let [width, height] = read_size(from)?;
    let pixels = read_size(from)?;
    let mut number = || read_number(from).map(f32::from_le_bytes);
    let view = Viewport {
        left: number()?,
        top: number()?,
        width: number()?,
        height: number()?,
        pixels,
    };
    let [image_width, image_height] = pixels;
    Ok(Ok(Seen {
        width,
        height,
        image: ScaledFrame {
            rgb: read_pixels(from, image_width, image_height)?,
            width: image_width,
            height: image_height,
            view,
        },
    }))
}

fn read_number(from: &mut impl Read) -> io::Result<[u8; 4]> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Why there is nothing, if there is nothing.
fn read_cause(from: &mut impl Read) -> io::Result<Option<String>> {
    let mut kind = [0];
    from.read_exact(&mut kind)?;
    if kind != [0] {
        return Ok(None);
    }
    let length = u32::from_le_bytes(read_number(from)?).min(MAX_BYTES);
    let mut text = vec![0; length as usize];
    from.read_exact(&mut text)?;
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}

/// A width and a height.
fn read_size(from: &mut impl Read) -> io::Result<[u32; 2]> {
    let mut side = || read_number(from).map(u32::from_le_bytes);
    let size = [side()?, side()?];
    match size.iter().all(|side| (1..=MAX_SIDE).contains(side)) {
        true => Ok(size),
        false => Err(broken("a picture of impossible size")),
    }
}

fn read_pixels(from: &mut impl Read, width: u32, height: u32) -> io::Result<Vec<u8>> {
    let length = width as usize * height as usize * 3;
    // Not `vec![0; length]`: clearing it would cost as much as reading it.
    let mut rgb = Vec::with_capacity(length);
    from.take(length as u64).read_to_end(&mut rgb)?;
    if rgb.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(rgb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_arrive_as_they_were_sent() {
        let picture = Picture::filled(3, 2, [1, 2, 3]);
        for sent in [Ok(picture), Err("no way to RGB".to_owned())] {
            let mut bytes = Vec::new();
            write_picture(&mut bytes, &sent).expect("written");
            assert_eq!(read_picture(&mut &bytes[..]).expect("read"), sent);
            let cut = &mut &bytes[..bytes.len() - 1];
            assert!(read_picture(cut).is_err(), "{sent:?}");
        }
    }

    #[test]
    fn what_is_seen_arrives_as_it_was_sent() {
        let seen = Seen {
            width: 1280,
            height: 720,
            image: ScaledFrame {
                rgb: (0..18).collect(),
                width: 3,
                height: 2,
                view: Viewport {
                    left: 0.25,
                    ..Viewport::whole(3, 2)
                },
            },
        };
        for sent in [Ok(seen), Err("no way to RGB".to_owned())] {
            let mut bytes = Vec::new();
            write_seen(&mut bytes, &sent).expect("written");
            assert_eq!(read_seen(&mut &bytes[..]).expect("read"), sent);
            let cut = &mut &bytes[..bytes.len() - 1];
            assert!(read_seen(cut).is_err(), "{sent:?}");
        }
        for crop in CROPS {
            let wish = Wish {
                id: u64::MAX - 1,
                crop,
            };
            assert_eq!(Wish::read(&mut &wish.to_bytes()[..]).expect("read"), wish);
        }
    }
}
