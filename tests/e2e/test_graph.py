# ctest: timeout=240
"""`graph`: pictures in which nothing lies over something else, a page that can be used, text for READMEs and terminals."""

import glob
import os
import shutil
import xml.etree.ElementTree as xml

import support

SVG = "{http://www.w3.org/2000/svg}"

LAB = """name: lab
nodes:
  a: {interfaces: {eth0: {addresses: [192.0.2.1/24, "2001:db8::1/64"]}}}
  b: {interfaces: {eth0: {addresses: [192.0.2.2/24]}}}
links: [{endpoints: ["a:eth0", "b:eth0"], mtu: 1400}]
"""


def areas(svg):
    """(what it is, left, top, right, bottom) of each box and label."""
    for group in xml.fromstring(svg).iter(SVG + "g"):
        name = group.findtext(SVG + "title") or ""
        for rect in group.findall(SVG + "rect"):
            left, top, width, height = (float(rect.get(key)) for key in ("x", "y", "width", "height"))
            yield f"{group.get('class')} {name}", left, top, left + width, top + height


def overlaps(svg):
    """Pairs that lie over each other by more than rounding makes."""
    found, all_areas = [], sorted(areas(svg), key=lambda area: area[1])
    for i, (name, left, top, right, bottom) in enumerate(all_areas):
        for other, other_left, other_top, other_right, other_bottom in all_areas[i + 1:]:
            if other_left >= right - 0.6:
                break
            if min(right, other_right) - max(left, other_left) > 0.6 and min(bottom, other_bottom) - max(top, other_top) > 0.6:
                found.append((name, other))
    return found


class Graph(support.SandboxCase):
    def setUp(self):
        super().setUp()
        if not shutil.which("dot"):
            self.skipTest("Graphviz is not installed")

    def test_nothing_lies_over_something_else(self):
        files = sorted(glob.glob(os.path.join(support.ROOT, "topologies/*.yaml")))
        self.assertGreater(len(files), 8)
        for path in files:
            with self.subTest(os.path.basename(path)):
                svg = self.toporun("graph", path, "--set", "PID=1") if "attach" in path else self.toporun("graph", path)
                self.assertGreater(len(list(areas(svg.stdout))), 1)
                self.assertEqual([], overlaps(svg.stdout))

    def test_two_hundred_nodes(self):
        path = self.write("star.yaml", "nodes: {hub: , 'h[1-200]': {interfaces: {eth0: {addresses: ['10.0.0.{n}/24']}}}}\n"
                          "links: [{endpoints: ['h[1-200]:eth0', lan]}, {endpoints: [hub:eth0, lan]}]\nbridges: {lan: }\n")
        svg = self.toporun("graph", path).stdout
        self.assertEqual([], overlaps(svg))
        picture = xml.fromstring(svg)
        width, height = float(picture.get("width")), float(picture.get("height"))
        self.assertLess(width / height, 4, "a picture, no strip")
        self.assertLess(height / width, 4)
        self.assertIn("h137", svg)

    def test_the_text_forms_need_nothing(self):
        path = self.write("lab.yaml", LAB)
        self.assertEqual("a\n|  eth0 192.0.2.1/24\n|  eth0 2001:db8::1/64\n`-- eth0 -- eth0 (mtu 1400) b\n"
                         "       eth0 192.0.2.2/24\n", self.toporun("graph", path, "--format", "ascii").stdout)
        self.assertIn('n0 ---|"eth0 - eth0<br/>mtu 1400"| n1', self.toporun("graph", path, "--format", "mermaid").stdout)

    def test_without_graphviz_the_way_out_is_told(self):
        path = self.write("lab.yaml", LAB)
        told = self.box.run(["/usr/bin/env", "PATH=/nowhere", support.TOPORUN, "graph", path])
        self.assertEqual(1, told.returncode)
        self.assertIn("apt-get install graphviz", told.stderr)
        self.assertEqual("", told.stdout)


class Page(support.SandboxCase):
    """The page in a browser. Nothing is fetched: the page is a file, and the machine has no way out."""

    def setUp(self):
        super().setUp()
        for program in ("dot", "chromium", "chromedriver"):
            if not shutil.which(program):
                self.skipTest(f"{program} is not installed")
        try:
            from selenium import webdriver
        except ImportError:
            self.skipTest("python3-selenium is not installed")
        options = webdriver.ChromeOptions()
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1200,800"):
            options.add_argument(word)
        self.open_browser = lambda: webdriver.Chrome(
            service=webdriver.chrome.service.Service(shutil.which("chromedriver")), options=options)

    def test_click_search_and_live_state(self):
        path = self.write("lab.yaml", LAB)
        self.toporun("up", path)
        self.box.run(["ip", "link", "set", "eth0", "mtu", "1300"], namespace="lab.b", check=True)
        page = self.toporun("graph", "lab", "--format", "html").stdout
        self.toporun("down", "lab")
        self.assertNotIn("http://", page.replace("http://www.w3.org/2000/svg", ""))
        file = os.path.join(self.folder(), "page.html")
        with open(file, "w", encoding="utf-8") as out:
            out.write(page)
        browser = self.open_browser()
        try:
            browser.get("file://" + file)
            self.assertEqual([], browser.get_log("browser"))
            self.assertEqual("lab - toporun", browser.title)
            self.assertIn("drifted", browser.find_element("css selector", "g.box[data-box='1']").get_attribute("class"))
            browser.find_element("css selector", "g.box[data-box='1'] rect").click()
            details = browser.find_element("id", "details").text
            self.assertIn("mtu 1400 → 1300", details.lower())
            search = browser.find_element("id", "search")
            search.send_keys("2001:db8")
            found = browser.find_elements("css selector", "g.box.found")
            self.assertEqual(["0"], [box.get_attribute("data-box") for box in found])
            width = "return document.querySelector('#view svg').viewBox.baseVal.width"
            before = browser.execute_script(width)
            browser.find_element("id", "in").click()
            self.assertLess(browser.execute_script(width), before)
            search.send_keys("\ue007")  # Enter: to the next one found
            self.assertIn("2001:db8::1/64", browser.find_element("id", "details").text)
            self.assertGreater(len(browser.get_screenshot_as_png()), 5000)
        finally:
            browser.quit()

