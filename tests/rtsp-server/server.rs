//! An RTSP server for tests: serves what gst-launch descriptions produce.
//!
//! ```text
//! rtsp-server ADDRESS:PORT [USER:PASSWORD] PATH=DESCRIPTION…
//! ```
//!
//! The payloaders in a description are called `pay0` and `pay1`. What passes the elements
//! `sound` (samples of 16 bits) and `picture` (I420) is audible and white for four seconds,
//! then silent and black for four, and so on: whoever receives it can see which sound
//! belongs to which picture. Behind a `capsfilter` called `size` pictures are half as wide and
//! high in every other four seconds.

use std::net::SocketAddr;

use gst_rtsp_server::prelude::*;
use gstreamer as gst;
use gstreamer_rtsp_server as gst_rtsp_server;

/// How long it is loud and white, and then how long it is not.
const HALF_PERIOD: gst::ClockTime = gst::ClockTime::from_seconds(4);

/// Who may see the streams, where there is a password.
const ROLE: &str = "viewer";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "rtsp-server ADDRESS:PORT [USER:PASSWORD] PATH=DESCRIPTION…";
    let mut args = std::env::args().skip(1).peekable();
    let address: SocketAddr = args.next().ok_or(usage)?.parse()?;
    let login = args.next_if(|text| !text.contains('='));

    gst::init()?;
    let server = gst_rtsp_server::RTSPServer::new();
    server.set_address(&address.ip().to_string());
    server.set_service(&address.port().to_string());
    if let Some((user, password)) = login.as_deref().and_then(|text| text.split_once(':')) {
        let auth = gst_rtsp_server::RTSPAuth::new();
        let token = gst_rtsp_server::RTSPToken::builder()
            .field(gst_rtsp_server::RTSP_TOKEN_MEDIA_FACTORY_ROLE, ROLE)
            .build();
        auth.add_basic(
            &gst_rtsp_server::RTSPAuth::make_basic(user, password),
            &token,
        );
        server.set_auth(Some(&auth));
    }
    let mounts = server.mount_points().ok_or("a server without streams")?;
    for arg in args {
        let (path, description) = arg.split_once('=').ok_or(usage)?;
        mounts.add_factory(path, factory(description, login.is_some()));
    }
    let _source = server.attach(None)?;
    let main_loop = gst::glib::MainLoop::new(None, false);
    main_loop.run();
    Ok(())
}

/// One stream, shared by all who see it.
fn factory(description: &str, needs_login: bool) -> gst_rtsp_server::RTSPMediaFactory {
    let factory = gst_rtsp_server::RTSPMediaFactory::new();
    factory.set_launch(&format!("( {description} )"));
    factory.set_shared(true);
    if needs_login {
        let role = gst::Structure::builder(ROLE)
            .field("media.factory.access", true)
            .field("media.factory.construct", true)
            .build();
        factory.add_role_from_structure(&role);
    }
    factory.connect_media_configure(|_, media| {
        let Ok(bin) = media.element().downcast::<gst::Bin>() else {
            return;
        };
        // Black is 16 in luma; chroma, the last third of I420, does not matter to brightness.
        alternate(&bin, "sound", |bytes| bytes.fill(0));
        alternate(&bin, "picture", |bytes| bytes.fill(16));
        resize(&bin);
    });
    factory
}

/// Blanks every other period of what passes an element.
fn alternate(bin: &gst::Bin, name: &str, blank: fn(&mut [u8])) {
    let Some(pad) = bin.by_name(name).and_then(|e| e.static_pad("src")) else {
        return;
    };
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer_mut()
            && let Some(at) = buffer.pts()
            && (at / HALF_PERIOD.nseconds()).nseconds() % 2 == 1
            && let Ok(mut bytes) = buffer.make_mut().map_writable()
        {
            blank(&mut bytes);
        }
        gst::PadProbeReturn::Ok
    });
}

/// Halves the pictures of a `capsfilter` in every other period.
fn resize(bin: &gst::Bin) {
    let Some(filter) = bin.by_name("size") else {
        return;
    };
    let (Some(pad), whole) = (filter.static_pad("src"), filter.property("caps")) else {
        return;
    };
    let whole: gst::Caps = whole;
    let mut half = whole.copy();
    if let Some(caps) = half.get_mut().and_then(|caps| caps.structure_mut(0)) {
        for side in ["width", "height"] {
            let length: i32 = caps.get(side).unwrap_or(2);
            caps.set(side, length / 2);
        }
    }
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(at) = info.buffer().and_then(|buffer| buffer.pts()) {
            let is_half = (at / HALF_PERIOD.nseconds()).nseconds() % 2 == 1;
            let wanted = if is_half { &half } else { &whole };
            if filter.property::<gst::Caps>("caps") != *wanted {
                filter.set_property("caps", wanted);
            }
        }
        gst::PadProbeReturn::Ok
    });
}
