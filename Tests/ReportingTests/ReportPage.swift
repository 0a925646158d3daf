import Foundation
import Inference
import Reporting
import Testing
import Volumes

/// A report's page taken apart again.
struct ReportPage {
    let html: String
    let data: [String: Any]

    init(_ html: String) throws {
        self.html = html
        let opening = try #require(html.range(of: "<script type=\"application/json\" id=\"data\">"))
        let rest = html[opening.upperBound...]
        let text = rest[..<(try #require(rest.range(of: "</script>"))).lowerBound]
        #expect(!text.contains("<"))
        data = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    init(_ summary: PosteriorSummary, _ phantom: BundlePhantom, change: (inout FitProvenance) -> Void = { _ in }) throws
    {
        var provenance = phantom.provenance()
        change(&provenance)
        try self.init(Report.html(summary, geometry: phantom.geometry, provenance: provenance, threads: 2))
    }

    func numbers(_ key: String) -> [Double] { (data[key] as? [NSNumber])?.map(\.doubleValue) ?? [] }

    var slices: [Slice] { (data["slices"] as? [[String: Any]] ?? []).map(Slice.init) }

    struct Slice {
        let fields: [String: Any]

        init(_ fields: [String: Any]) { self.fields = fields }

        func int(_ key: String) -> Int { (fields[key] as? NSNumber)?.intValue ?? 0 }
        func ints(_ key: String) -> [Int] { (fields[key] as? [NSNumber])?.map(\.intValue) ?? [] }
        func bytes(_ key: String) -> [UInt8] {
            (fields[key] as? String).flatMap { Data(base64Encoded: $0) }.map(Array.init) ?? []
        }
        var labels: [String] { fields["labels"] as? [String] ?? [] }

        /// Index in the image of each voxel shown, in the order of its numbers.
        func voxels(_ shape: [Int]) -> [Int] {
            let mask = bytes("mask"), columns = int("columns"), origin = ints("voxel"), across = ints("acrossStep"),
                down = ints("downStep")
            #expect(mask.count == columns * int("rows"))
            return mask.indices.filter { mask[$0] == 1 }.map { i in
                let p = (0..<3).map { origin[$0] + i % columns * across[$0] + i / columns * down[$0] }
                return p[0] + shape[0] * (p[1] + shape[1] * p[2])
            }
        }

        /// Probabilities of the groups of voxel v at another λ, as the page's script computes them.
        func probabilities(_ v: Int, k: [Double], step: Double, shift: Double) -> [Double] {
            let codes = bytes("codes"), g = k.count
            let weights = (0..<g).map { z in
                exp(-Double(Int(codes[2 * (v * g + z)]) | Int(codes[2 * (v * g + z) + 1]) << 8) * step - shift * k[z])
            }
            let sum = weights.reduce(0, +)
            return weights.map { $0 / sum }
        }
    }
}

/// A browser that runs without a window, where the machine has one.
enum Browser {
    static let path: String? = ["chromium", "chromium-browser", "google-chrome", "chrome"].lazy
        .flatMap { name in
            (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(separator: ":").map { "\($0)/\(name)" }
        }
        .first { FileManager.default.isExecutableFile(atPath: $0) }

    /// The page's elements after its scripts have run, and what was written to the console.
    static func dump(_ url: String, folder: String) throws -> (dom: String, console: [String]) {
        let process = Process(), dom = folder + "/dom.html", log = folder + "/console.txt"
        for file in [dom, log] { _ = FileManager.default.createFile(atPath: file, contents: nil) }
        process.executableURL = URL(fileURLWithPath: "/usr/bin/timeout")
        process.arguments = [
            "120", path!, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=\(folder)/profile",
            "--enable-logging=stderr", "--v=0",
            "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=5000", "--dump-dom", url,
        ]
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: dom))
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: log))
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        let lines = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map(String.init)
        return (try String(contentsOfFile: dom, encoding: .utf8), lines.filter { $0.contains("CONSOLE") })
    }
}
