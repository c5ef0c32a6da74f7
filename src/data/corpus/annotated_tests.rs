use super::*;

const VGG: &str = r#"[{"file": "a", "class": "dog", "bbox": [[0.1, 0.2, 0.5, 0.6]]},
    {"file": "b", "class": "cat", "bbox": [[0, 0, 1, 1], [0.5, 0.5, 0.6, 0.6]]},
    {"file": "gone", "class": "cat", "bbox": []}]"#;
const XML: &str = "<annotation><person><bbox><type>object</type><xmin>64</xmin>\
    <ymin>0</ymin><xmax>128</xmax><ymax>256</ymax></bbox></person><person><bbox>\
    <xmin>32</xmin><ymin>0</ymin><xmax>128</xmax><ymax>128</ymax></bbox></person></annotation>";

fn media(folder: &Path) {
    for name in ["a", "b"] {
        let picture = image::RgbImage::from_pixel(20, 10, image::Rgb([9, 9, 9]));
        picture
            .save(folder.join(format!("{name}.jpg")))
            .expect("a picture");
        std::fs::write(folder.join(format!("{name}.wav")), "").expect("a sound");
    }
}

#[test]
fn vgg_ss_is_read_and_what_has_no_media_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    media(folder.path());
    let file = folder.path().join("vggss.json");
    std::fs::write(&file, VGG).expect("written");
    let data = Annotated::read(&file, &[folder.path().to_owned()]).expect("annotations");
    assert_eq!((data.len(), data.votes()), (2, 1));
    assert!(data.describe().contains("1 more without media"));
    assert_eq!(data.items[0].tag, Tag::class("dog"));
    assert_eq!(data.items[1].boxes.len(), 2);
    let error = data.example(0).expect_err("no sound in it").to_string();
    assert!(error.contains("a.wav"), "{error}");
    data.check(Split::Train).expect_err("not to learn from");
}

#[test]
fn flickr_soundnet_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    media(folder.path());
    let boxes = folder.path().join("Annotations");
    std::fs::create_dir(&boxes).expect("a folder");
    for name in ["a.xml", "b.xml"] {
        std::fs::write(boxes.join(name), XML).expect("written");
    }
    let data = Annotated::read(&boxes, &[folder.path().to_owned()]).expect("annotations");
    assert_eq!((data.len(), data.votes()), (2, 2));
    assert_eq!(data.items[0].boxes[0], [0.25, 0.0, 0.5, 1.0]);
    assert_eq!(data.items[0].boxes[1], [0.125, 0.0, 0.5, 0.5]);
    std::fs::write(boxes.join("a.xml"), "<annotation/>").expect("written");
    let error = Annotated::read(&boxes, &[folder.path().to_owned()]).err();
    assert!(
        error
            .expect("refused")
            .to_string()
            .contains("a.xml: no bbox")
    );
}

#[test]
fn boxes_that_are_none_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    media(folder.path());
    let read = |list: &Path| Annotated::read(list, &[folder.path().to_owned()]);
    let file = folder.path().join("vggss.json");
    let vgg = |boxes: &str| {
        let text = r#"[{"file": "a", "bbox": [[0.1, 0.2, 0.5, 0.6]]},
            {"file": "b", "bbox": BOXES}, {"file": "gone", "bbox": []}]"#;
        std::fs::write(&file, text.replace("BOXES", boxes)).expect("written");
        read(&file)
    };
    for boxes in [
        "[]",
        "[[0.1, 0.1, 0.5, 0.5], [10, 20, 100, 200]]",
        "[[0.5, 0.1, 0.1, 0.5]]",
        "[[0.1, 0.5, 0.5, 0.1]]",
        "[[-5, -5, -1, -1]]",
        "[[0.1, 0.1, 1e38, 0.5]]",
    ] {
        let error = vgg(boxes).err().expect(boxes).to_string();
        assert!(
            error.contains("vggss.json: b: ") && error.contains("0 to 1"),
            "{error}"
        );
    }
    // What people drew over the edge, and a box of VGG-SS without any area.
    let data = vgg("[[-0.01, 0, 1.001, 1], [0.26875, 1.0, 0.753125, 1.0]]");
    let boxes = &data.expect("boxes").items[1].boxes;
    assert_eq!(
        boxes[..],
        [[0.0, 0.0, 1.0, 1.0], [0.26875, 1.0, 0.753125, 1.0]]
    );
    let list = folder.path().join("Annotations");
    std::fs::create_dir(&list).expect("a folder");
    std::fs::write(list.join("a.xml"), XML.replace("64", "NaN")).expect("written");
    let error = read(&list).err().expect("refused").to_string();
    assert!(error.contains("a.xml: a: [NaN, "), "{error}");
}

#[test]
fn what_is_no_annotation_is_shown_what_was_expected() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.json");
    std::fs::write(&file, "{}").expect("written");
    let error = Annotated::read(&file, &[])
        .err()
        .expect("refused")
        .to_string();
    assert!(
        error.contains("a.json") && error.contains("\"bbox\""),
        "{error}"
    );
    std::fs::write(&file, VGG).expect("written");
    let error = Annotated::read(&file, &[])
        .err()
        .expect("refused")
        .to_string();
    assert!(error.contains("a.jpg and a.wav"), "{error}");
    let error = Annotated::read(folder.path(), &[])
        .err()
        .expect("refused")
        .to_string();
    assert!(error.contains(".xml"), "{error}");
}

#[test]
fn the_second_in_the_middle_is_heard() {
    let pcm: Vec<f32> = (0..144_000).map(|i| i as f32).collect();
    assert_eq!(middle_second(&pcm)[0], 48_000.0);
    assert_eq!(middle_second(&pcm[..10])[10..].iter().sum::<f32>(), 0.0);
}
