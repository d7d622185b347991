//! `chreode report` writes one page that needs nothing else, on which the population moves, in a real browser.

#![cfg(feature = "cli")]

mod browser_support;
mod cli_support;

use std::fs;
use std::path::PathBuf;

use browser_support::Browser;
use cli_support::{TINY, folder, run};

/// Cells with a label and an embedding, and a model of them.
fn with_described(name: &str, cells: usize) -> PathBuf {
    let folder = folder(name);
    run(&folder, &format!("generate branching --cells {cells} --dims 4 --fates 2 --seed 3 -o plain.csv"))
        .succeeded();
    run(&folder, &format!("fit plain.csv -o model {TINY}")).succeeded();
    let text = fs::read_to_string(folder.join("plain.csv")).unwrap();
    let described = |(row, line): (usize, &str)| {
        let at: Vec<f64> = line.split(',').map(|x| x.parse().unwrap()).collect();
        let kind = ["NA", "<low>", "high"][if row % 9 == 0 { 0 } else { 1 + usize::from(at[2] > 0.0) }];
        format!("{line},{},{},{kind}\n", (at[1] + at[3]).tanh(), at[2].sinh())
    };
    let rows: String = text.lines().skip(1).enumerate().map(described).collect();
    fs::write(folder.join("cells.csv"), format!("samples,x1,x2,x3,x4,u1,u2,kind\n{rows}")).unwrap();
    folder
}

const DESCRIBED: &str = "--embedding-columns u1,u2 --label-column kind";

/// The page without what scripts read.
fn without_scripts(page: &str) -> String {
    let parts = page.split("<script");
    parts
        .enumerate()
        .map(|(i, part)| if i == 0 { part } else { part.split_once("</script>").unwrap().1 })
        .collect()
}

#[test]
fn the_page_needs_nothing_else_and_is_the_same_at_any_number_of_threads() {
    let folder = with_described("report_page", 300);
    let pages = ["1", "2"].map(|threads| {
        let call = format!("report model cells.csv {DESCRIBED} --seed 5 -o page.html --threads {threads}");
        run(&folder, &call).succeeded();
        fs::read_to_string(folder.join("page.html")).unwrap()
    });
    let page = without_scripts(&pages[0]);
    for outside in ["http", "src=", "href=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(!page.contains("NaN") && !page.contains(">inf") && !page.contains("<low>"));
    // The call stands on the page, so the two differ by the number of threads.
    let [one, two] = pages.map(|page| page.replace("--threads 1", "").replace("--threads 2", ""));
    assert!(one == two);
}

#[test]
fn the_page_shows_labels_fates_and_how_it_was_made() {
    let folder = with_described("report_panels", 300);
    run(&folder, &format!("report model cells.csv {DESCRIBED} -o page.html")).succeeded();
    let page = fs::read_to_string(folder.join("page.html")).unwrap();
    for title in [
        "The population through time",
        "Predicted and observed populations",
        "Labels",
        "What becomes what",
        "Mass of each label",
        "Fates",
        "Snapshots and trajectories",
        "Streamlines",
        "Growth rate",
        "Lineages",
        "Mass over time",
        "Distance to the observed cells",
        "Measures",
        "How it was made",
    ] {
        assert_eq!(page.matches(&format!("<h3>{title}</h3>")).count(), 1, "{title}");
    }
    let told = [
        "chreode report model cells.csv --embedding-columns u1,u2 --label-column kind -o page.html",
        "epochs 3, ",
        "nothing moves",
        "two halves of the cells",
        ">u1</text>",
        "nearest to it are in the mean",
    ];
    for text in told {
        assert!(page.contains(text), "{text}");
    }
    // All cells are counted.
    let text = fs::read_to_string(folder.join("cells.csv")).unwrap();
    for (label, shown) in [("NA", "without a label"), ("<low>", "&lt;low&gt;"), ("high", "high")] {
        let count = text.lines().filter(|line| line.ends_with(&format!(",{label}"))).count();
        assert!(page.contains(&format!("{shown} ({count})")), "{shown} ({count})");
    }
    // What flows is what `chreode fates` finds.
    let fates =
        "fates model cells.csv --ignore-column u1 --ignore-column u2 --label-column kind --descendants 50";
    run(&folder, &format!("{fates} -o fates.csv --transitions moved.csv")).succeeded();
    let moved = fs::read_to_string(folder.join("moved.csv")).unwrap();
    let moved: Vec<Vec<&str>> = moved.lines().skip(1).map(|line| line.split(',').collect()).collect();
    for (label, shown) in [("<low>", "&lt;low&gt;"), ("high", "high")] {
        let masses = moved.iter().filter(|row| row[0] == "0" && row[2] == label);
        let mass: f64 = masses.map(|row| row[3].parse::<f64>().unwrap()).sum();
        let drawn = |at: &str| -> f64 {
            let number = at.strip_prefix(&format!("{shown} ")).and_then(|rest| rest.split('<').next());
            number.and_then(|number| number.parse().ok()).unwrap_or(f64::NAN)
        };
        let found = page.split("</title>").any(|at| (drawn(at) / mass - 1.0).abs() < 1e-3);
        assert!(mass > 0.0 && found, "{label} {mass}");
    }
}

#[test]
fn a_page_of_five_thousand_cells_is_below_three_megabytes() {
    let folder = with_described("report_size", 5000);
    run(&folder, &format!("report model cells.csv {DESCRIBED} -o page.html")).succeeded();
    let size = fs::metadata(folder.join("page.html")).unwrap().len();
    assert!(size < 3_000_000, "{size} bytes");
}

/// Of many times, too: the film has what other pictures leave, these draw some of the cells, and the page says so.
#[test]
fn a_page_of_forty_times_is_below_three_megabytes_and_says_what_it_leaves_out() {
    let folder = folder("report_times");
    run(
        &folder,
        "generate branching --cells 60000 --time-points 40 --dims 2 --growth 0 --seed 3 -o cells.csv",
    )
    .succeeded();
    let written = fs::read_to_string(folder.join("cells.csv")).unwrap();
    // A model of a few of the cells, by a method without growth: what it is matters little.
    let few = |(row, _): &(usize, &str)| *row == 0 || row % 60 == 1;
    let few: Vec<&str> = written.lines().enumerate().filter(few).map(|(_, line)| line).collect();
    fs::write(folder.join("few.csv"), few.join("\n")).unwrap();
    run(&folder, &format!("fit few.csv --method ot-cfm -o model {TINY}")).succeeded();
    run(&folder, "report model cells.csv -o page.html").succeeded();
    let page = fs::read_to_string(folder.join("page.html")).unwrap();
    assert!((1_500_000..3_000_000).contains(&page.len()), "{} bytes", page.len());
    assert!(page.contains("Pictures of all times draw one cell in 5."));
    assert!(page.contains("<canvas"));
}

#[test]
fn a_wrong_call_is_one_line_that_says_what_is_wrong() {
    let folder = with_described("report_wrong", 60);
    let told = |arguments: &str, code: i32| {
        run(&folder, &format!("report model cells.csv {arguments} -o no.html")).complaint(code).to_string()
    };
    assert!(told("--embedding-columns u1", 2).contains("two columns are needed"));
    assert!(told("--embedding-columns u1,u3 --label-column kind", 2).contains("there is no column `u3`"));
    assert!(
        told("--embedding-columns u1,u1 --label-column kind", 2).contains("`u1` was named for two things")
    );
    assert!(told("--embedding-columns u1,u2 --label-column u2", 2).contains("`u2` was named for two things"));
    assert!(told("--embedding-columns u1,u2", 1).contains("`kind`"));
    let text = fs::read_to_string(folder.join("cells.csv")).unwrap();
    fs::write(folder.join("bare.csv"), text.replace(",high\n", ",NA\n").replace(",<low>\n", ",NA\n"))
        .unwrap();
    let bare = run(&folder, &format!("report model bare.csv {DESCRIBED} -o no.html"));
    assert_eq!(bare.complaint(1), "chreode: bare.csv, column `kind`: no cell has a label");
    assert!(told("--embedding-columns u1,kind --ignore-column u2", 1).contains("column `kind`: "));
}

/// What is drawn on the canvas, as text.
const DRAWN: &str = "document.querySelector('canvas').toDataURL()";

#[test]
fn the_population_moves_in_a_browser() {
    let folder = with_described("report_browser", 500);
    run(&folder, &format!("report model cells.csv {DESCRIBED} -o page.html")).succeeded();
    let Some(mut browser) = Browser::start(&folder.join("profile")) else { return };
    browser.open(&folder.join("page.html"), 900);
    let drawn = |browser: &mut Browser| browser.value(DRAWN).as_str().unwrap().to_string();
    let focus =
        "document.activeElement.tagName + ' ' + (document.activeElement.getAttribute('aria-label') ?? '')";
    // The keyboard reaches the button, the slider and the colours, in this order.
    let reached = [(); 3].map(|()| {
        browser.press("Tab", 9);
        browser.value(focus)
    });
    assert_eq!(reached, ["BUTTON ", "INPUT time", "SELECT "]);
    // The slider moves the cells, and says to which time.
    let first = drawn(&mut browser);
    browser.value("document.querySelector('input').focus()");
    (0..40).for_each(|_| browser.press("ArrowRight", 39));
    let later = drawn(&mut browser);
    assert!(first != later);
    let told = browser.value("document.querySelector('input').getAttribute('aria-valuetext')");
    assert_eq!(told, browser.value("document.querySelector('output').textContent.split(' · ')[0]"));
    assert!(told != "time 0.00", "{told}");
    // Nobody is lost: those who were there, one more for each division and one less for each death, are those of the last frame.
    browser.press("End", 35);
    let ended =
        browser.value("document.querySelector('output').textContent.match(/\\d+(?= [cd])/g).map(Number)");
    let [alive, divisions, deaths] = [0, 1, 2].map(|i| ended[i].as_u64().unwrap());
    let counts = browser.value("JSON.parse(document.querySelector('.film script').textContent).counts");
    let counts: Vec<u64> = counts.as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).collect();
    assert_eq!(Some(&alive), counts.last());
    assert!(divisions > 0 && counts[0] + divisions - deaths == alive, "{counts:?}");
    // Each colour draws the cells otherwise.
    let choices = browser.value("document.querySelector('select').options.length").as_u64().unwrap();
    assert_eq!(choices, 4, "growth, label, and a fate for each label");
    let mut all = vec![];
    for choice in 0..choices {
        browser.value(&format!(
            "(() => {{ const s = document.querySelector('select'); s.selectedIndex = {choice}; s.dispatchEvent(new Event('change')); }})()"
        ));
        all.push(drawn(&mut browser));
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len() as u64, choices);
    // The cell under the pointer tells its numbers.
    let place = browser.value(
        "(() => { const c = document.querySelector('canvas'), b = c.getBoundingClientRect(), p = c.getContext('2d')
            .getImageData(0, 0, c.width, c.height).data; let i = 0; while (p[4 * i + 3] < 200) i++;
            return [b.x + i % c.width / c.width * b.width, b.y + Math.floor(i / c.width) / c.height * b.height]; })()",
    );
    let event = serde_json::json!({ "type": "mouseMoved", "x": place[0], "y": place[1] });
    browser.call("Input.dispatchMouseEvent", event);
    let tip = browser.value("document.querySelector('.tip').innerText");
    for number in ["u1 ", "u2 ", "growth rate ", "label ", "fate high ", "founder "] {
        assert!(tip.as_str().unwrap().contains(number), "{tip}");
    }
    // It plays to the end, and the still picture is there on paper only.
    let moves = "new Promise(done => { document.querySelector('button').click(); setTimeout(() => { document.querySelector('button').click();
        done(document.querySelector('input').valueAsNumber); }, 700); })";
    browser.value("document.querySelector('input').value = 0, document.querySelector('input').dispatchEvent(new Event('input'))");
    let reached = browser.value(moves).as_f64().unwrap();
    assert!(reached > 0.0 && reached < 240.0, "{reached}");
    assert_seen(&mut browser, [true, false]);
    browser.call("Emulation.setEmulatedMedia", serde_json::json!({ "media": "print" }));
    assert_seen(&mut browser, [false, true]);
    assert_eq!(browser.complaints, Vec::<String>::new());
}

/// Whether the canvas and the still picture are seen.
fn assert_seen(browser: &mut Browser, want: [bool; 2]) {
    let seen = ["canvas", ".still"]
        .map(|name| browser.value(&format!("document.querySelector('{name}').getClientRects().length > 0")));
    assert_eq!(seen, want);
}

#[test]
fn whoever_wants_no_motion_is_taken_from_snapshot_to_snapshot() {
    let folder = with_described("report_calm", 200);
    run(
        &folder,
        "report model cells.csv --ignore-column u1 --ignore-column u2 --ignore-column kind -o page.html",
    )
    .succeeded();
    let Some(mut browser) = Browser::start(&folder.join("profile")) else { return };
    let calm = serde_json::json!({ "features": [{ "name": "prefers-reduced-motion", "value": "reduce" }] });
    browser.call("Emulation.setEmulatedMedia", calm);
    browser.open(&folder.join("page.html"), 400);
    // Nothing moves by itself.
    let reached = |browser: &mut Browser| browser.value("document.querySelector('input').valueAsNumber");
    assert_eq!(reached(&mut browser), 0);
    browser.value("document.querySelector('button').click()");
    let wait =
        "new Promise(done => setTimeout(() => done(document.querySelector('input').valueAsNumber), 900))";
    assert_eq!(browser.value(wait), 0);
    assert_eq!(browser.value(wait), 120, "the second of three snapshots");
    // Nothing is cut off on a telephone.
    assert_eq!(browser.value("document.documentElement.scrollWidth"), 400);
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn without_scripts_a_still_picture_stands_there() {
    let folder = with_described("report_still", 200);
    run(&folder, &format!("report model cells.csv {DESCRIBED} -o page.html")).succeeded();
    let Some(mut browser) = Browser::start(&folder.join("profile")) else { return };
    browser.call("Emulation.setScriptExecutionDisabled", serde_json::json!({ "value": true }));
    browser.open(&folder.join("page.html"), 900);
    let found = browser.call("DOM.getDocument", serde_json::json!({ "depth": 0 }))["root"]["nodeId"].clone();
    let mut box_of = |name: &str| {
        let node = browser
            .call("DOM.querySelector", serde_json::json!({ "nodeId": found, "selector": name }))["nodeId"]
            .clone();
        (node != 0).then(|| {
            browser.call("DOM.getBoxModel", serde_json::json!({ "nodeId": node }))["model"]["height"].clone()
        })
    };
    assert!(box_of(".still").unwrap().as_f64().unwrap() > 200.0);
    assert!(box_of("canvas").is_none() && box_of("button").is_none());
}
