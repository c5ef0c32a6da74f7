//! A contact sheet of units: a column for each, as in the paper's Figure 3.

use image::imageops;
use image::{Rgb, RgbImage};

use crate::draw::{Layer, shortened, text};
use crate::picture::Picture;

/// Columns side by side; further ones follow below.
const ACROSS: usize = 8;
const GAP: u32 = 8;
/// Space above a column for its title and note.
const HEAD: u32 = 46;
const TITLE: f32 = 17.0;
const NOTE: f32 = 14.0;
const PAPER: [u8; 3] = [255; 3];
const INK: [u8; 3] = [25; 3];
const DIM: [u8; 3] = [110; 3];
/// Frame around files of the unit's class.
const OWN: [u8; 3] = [40, 160, 90];
const FRAME: u32 = 3;

/// A unit and its strongest files.
pub(super) struct Column<'a> {
    pub title: String,
    pub note: String,
    pub tiles: Vec<Tile<'a>>,
}

/// A file.
pub(super) struct Tile<'a> {
    pub picture: &'a Picture,
    /// Whether it is of the unit's class.
    pub own: bool,
}

/// All columns; `None` without any.
pub(super) fn draw(columns: &[Column<'_>]) -> Option<Picture> {
    let tiles = || columns.iter().flat_map(|column| &column.tiles);
    let tile_width = tiles().map(|t| t.picture.width).max()? + 2 * FRAME;
    let tile_height = tiles().map(|t| t.picture.height).max()? + 2 * FRAME;
    let down = columns.iter().map(|c| c.tiles.len()).max()? as u32;
    let across = columns.len().min(ACROSS) as u32;
    let blocks = columns.len().div_ceil(ACROSS) as u32;
    let block = HEAD + down * (tile_height + GAP) + GAP;
    let (width, height) = (GAP + across * (tile_width + GAP), GAP + blocks * block);
    let mut sheet = RgbImage::from_pixel(width, height, Rgb(PAPER));
    let mut layer = Layer::new(width, height);
    for (nth, column) in columns.iter().enumerate() {
        let x = GAP + (nth % ACROSS) as u32 * (tile_width + GAP);
        let y = GAP + (nth / ACROSS) as u32 * block;
        write(&mut layer, x, y, tile_width, TITLE, &column.title, INK);
        write(&mut layer, x, y + 22, tile_width, NOTE, &column.note, DIM);
        for (row, tile) in column.tiles.iter().enumerate() {
            let y = y + HEAD + row as u32 * (tile_height + GAP);
            place(&mut sheet, x, y, tile);
        }
    }
    let mut picture = Picture {
        width,
        height,
        rgb: sheet.into_raw(),
    };
    layer.blend(&mut picture);
    Some(picture)
}

/// As much of the text as fits.
fn write(layer: &mut Layer, x: u32, y: u32, width: u32, size: f32, what: &str, ink: [u8; 3]) {
    let letters = (width as f32 / (size * text::ADVANCE)) as usize;
    let what = shortened(what, letters);
    text::draw(layer, x as f32, y as f32, size, &what, ink);
}

fn place(sheet: &mut RgbImage, x: u32, y: u32, tile: &Tile<'_>) {
    let Picture { width, height, rgb } = tile.picture;
    let Some(image) = RgbImage::from_raw(*width, *height, rgb.clone()) else {
        return;
    };
    if tile.own {
        let frame = RgbImage::from_pixel(width + 2 * FRAME, height + 2 * FRAME, Rgb(OWN));
        imageops::replace(sheet, &frame, x.into(), y.into());
    }
    imageops::replace(sheet, &image, (x + FRAME).into(), (y + FRAME).into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tile_is_on_the_sheet_and_its_own_ones_are_framed() {
        let (red, blue) = (
            Picture::filled(20, 10, [200, 0, 0]),
            Picture::filled(16, 16, [0, 0, 200]),
        );
        let column = |own| Column {
            title: "a class with a name that has no room".to_owned(),
            note: "unit 1".to_owned(),
            tiles: vec![
                Tile { picture: &red, own },
                Tile {
                    picture: &blue,
                    own: false,
                },
            ],
        };
        let columns: Vec<Column<'_>> = (0..11).map(|nth| column(nth < 3)).collect();
        let sheet = draw(&columns).expect("a sheet");
        let count = |colour: [u8; 3]| sheet.rgb.chunks(3).filter(|p| *p == colour).count();
        assert_eq!(count([200, 0, 0]), 11 * 200);
        assert_eq!(count([0, 0, 200]), 11 * 256);
        assert_eq!(count(OWN), 3 * (26 * 16 - 200));
        assert!(draw(&[]).is_none());
    }
}
