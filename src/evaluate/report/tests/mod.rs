//! Documents to test with; the tests are in the files beside.

mod faults;
mod files;
mod page;

use super::*;
use crate::rng::{Sequence, Stream};
use image::{GrayImage, Luma};

const EVIL: &str = "<script>alert(\"a & b\")</script>";

fn picture(width: u32, height: u32) -> DynamicImage {
    GrayImage::from_fn(width, height, |x, y| Luma([(x * 7 + y * 31) as u8])).into()
}

fn numbers(count: usize, stream: u32) -> Vec<f64> {
    let mut sequence = Sequence::new(11, Stream::Init, stream, 0);
    (0..count).map(|_| sequence.normal(5.0, 2.0)).collect()
}

fn lines(points: Vec<(f64, f64)>) -> Lines {
    let band = points.iter().map(|p| (p.1 - 0.5, p.1 + 0.25)).collect();
    let series = vec![Series { name: format!("curve {EVIL}"), style: 0, points, band }];
    let marks = vec![Mark { x: 2.0, label: format!("threshold {EVIL}") }];
    Lines { x: Axis::new(EVIL), y: Axis::new("loss"), series, marks }
}

fn histograms(values: Vec<f64>) -> Histograms {
    let edges = (0..=20).map(|i| f64::from(i) * 0.5).collect();
    let samples = vec![
        Sample { name: EVIL.into(), style: 0, values: numbers(300, 1) },
        Sample { name: "other".into(), style: 1, values },
    ];
    Histograms { x: Axis::new("score"), edges, samples, marks: vec![] }
}

fn scatter(count: usize) -> Scatter {
    let points = numbers(count, 2).into_iter().zip(numbers(count, 3)).collect();
    let groups = (0..7)
        .map(|style| Cloud {
            name: format!("group {style}"),
            style,
            points: vec![(style as f64, 1.5)],
        })
        .chain([Cloud { name: "all".into(), style: 1, points }]);
    Scatter { axes: None, groups: groups.collect() }
}

fn bars(values: Vec<f64>) -> Bars {
    let intervals = values.iter().map(|v| (v - 0.25, v + 0.5)).collect();
    let sets = vec![
        Shares { name: "real".into(), style: 0, values: vec![3.0, -1.0], intervals: vec![] },
        Shares { name: "synthetic".into(), style: 1, values, intervals },
    ];
    Bars { categories: vec!["tented arch".into(), EVIL.into()], y: Axis::new("%"), sets }
}

fn figure(id: &str, picture: Picture) -> Figure {
    let (caption, alt) = (format!("caption {EVIL}"), format!("what {id} shows {EVIL}"));
    Figure { id: id.into(), caption, alt, picture }
}

fn pairs() -> Vec<Pair> {
    let thumb = |width: u32, score| Thumb {
        image: picture(width, width + 7),
        label: format!("print {width} {EVIL}"),
        score,
    };
    let scores = [Cell::number(31.25, 1), Cell::missing("no minutiae"), Cell::State(State::Good)];
    let others =
        [24, 96, 250].into_iter().zip(scores).map(|(width, score)| thumb(width, Some(score)));
    vec![Pair { first: thumb(64, None), others: others.collect() }]
}

fn table() -> Table {
    let columns =
        vec![Column::left(format!("set {EVIL}")), Column::right("n"), Column::right("FID")];
    let interval = Cell::Interval { value: -1.5, low: -2.25, high: 1000.125, digits: 2 };
    let rows = vec![
        vec![Cell::text(EVIL), Cell::count(12_345), interval],
        vec![Cell::text("b"), Cell::missing(EVIL), Cell::missing("too few")],
        vec![Cell::text("c"), Cell::State(State::Bad), Cell::missing(EVIL)],
    ];
    Table { caption: EVIL.into(), columns, rows }
}

/// A document with everything in it.
fn whole() -> Document {
    let plots = [
        (
            "curves",
            Plot::Lines(lines((0..60).map(|i| (f64::from(i), f64::from(i * i % 17))).collect())),
        ),
        ("few", Plot::Lines(lines(vec![(0.0, 1.0), (1.0, 4.0), (3.0, 2.0)]))),
        ("scores", Plot::Histograms(histograms(numbers(200, 5)))),
        ("map", Plot::Scatter(scatter(500))),
        ("classes", Plot::Bars(bars(vec![1.0, 2.0]))),
    ];
    let mut blocks: Vec<Block> = plots
        .into_iter()
        .map(|(id, plot)| Block::Figure(figure(id, Picture::Plot(plot))))
        .collect();
    blocks.push(Block::Figure(figure("grid", Picture::Image(picture(700, 90)))));
    blocks.push(Block::Figure(figure("small", Picture::Image(picture(33, 21)))));
    blocks.push(Block::Figure(figure("nearest", Picture::Pairs(pairs()))));
    let states = [State::Good, State::Warning, State::Bad, State::Missing];
    let words = vec![
        Block::Table(table()),
        Block::Note(EVIL.into()),
        Block::List(vec![EVIL.into(), "run `a <b>`".into()]),
        Block::Text(EVIL.into()),
        Block::Verdict(Verdict::new(State::Bad, EVIL)),
        Block::Table(table()),
    ];
    let section = |id: &str, blocks| Section {
        id: id.into(),
        title: format!("{id} {EVIL}"),
        text: vec![EVIL.into(), "second".into()],
        blocks,
    };
    Document {
        title: EVIL.into(),
        subtitle: EVIL.into(),
        facts: vec![(EVIL.into(), EVIL.into()), ("seed".into(), "7".into())],
        summary: states.map(|state| Verdict::new(state, EVIL)).into(),
        sections: vec![section("plots", blocks), section("words-2", words)],
    }
}

/// The values of an attribute, in order.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    page.split(&start).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// Every element that is opened is closed, in the right order.
fn assert_balanced(text: &str) {
    const EMPTY: [&str; 5] = ["meta", "link", "img", "br", "!DOCTYPE"];
    let mut open: Vec<&str> = Vec::new();
    for part in text.split('<').skip(1) {
        let (tag, _) = part.split_once('>').unwrap();
        let name = tag.split([' ', '/', '\n']).find(|name| !name.is_empty()).unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "in {open:?}");
        } else if !tag.ends_with('/') && !EMPTY.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

fn with_plot(plot: Plot) -> impl FnOnce(&mut Document) {
    move |document| {
        document.sections[0].blocks[0] = Block::Figure(figure("curves", Picture::Plot(plot)));
    }
}

fn with_cell(cell: Cell) -> impl FnOnce(&mut Document) {
    move |document| {
        let mut table = table();
        table.rows[1][2] = cell;
        document.sections[1].blocks[0] = Block::Table(table);
    }
}
