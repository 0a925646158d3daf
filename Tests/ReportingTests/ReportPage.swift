import CZlib
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

    init(
        _ summary: PosteriorSummary, _ archive: PosteriorArchive, _ phantom: BundlePhantom,
        change: (inout FitProvenance) -> Void = { _ in }
    ) throws {
        var provenance = phantom.provenance()
        change(&provenance)
        try self.init(
            Report.html(summary, archive: archive, geometry: phantom.geometry, provenance: provenance, threads: 2))
    }

    func numbers(_ key: String) -> [Double] { (data[key] as? [NSNumber])?.map(\.doubleValue) ?? [] }

    var volume: Volume { get throws { try Volume(try #require(data["volume"] as? [String: Any]), self) } }

    /// What zlib packed, as the page's scripts unpack it.
    static func unpack(_ text: String) throws -> [UInt8] {
        let packed = try #require(Data(base64Encoded: text)).map { $0 }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            var size = UInt(bytes.count)
            let status = uncompress(&bytes, &size, packed, UInt(packed.count))
            if status == Z_OK { return Array(bytes[0..<Int(size)]) }
            try #require(status == Z_BUF_ERROR && bytes.count < 1 << 28)
            bytes = Array(repeating: 0, count: bytes.count * 4)
        }
    }

    /// The voxels of a page.
    struct Volume {
        let shape: [Int], low: [Int], steps: [Int], full: [Int], axes: [Int], isReversed: [Bool], isFine: Bool
        let reference: Double
        let mask: [UInt8], codes: [UInt8], held: [UInt8], fibreCodes: [[UInt8]]
        /// Index in the image of each voxel, in the order of its numbers, and its place in the box.
        let voxels: [Int], places: [[Int]]
        private let page: ReportPage, starts: [Int]

        init(_ fields: [String: Any], _ page: ReportPage) throws {
            func ints(_ key: String) -> [Int] { (fields[key] as? [NSNumber])?.map(\.intValue) ?? [] }
            func bytes(_ key: String) throws -> [UInt8] { try unpack(try #require(fields[key] as? String)) }
            (shape, low, steps) = (ints("shape"), ints("low"), ints("steps"))
            (full, axes) = (ints("full"), ints("axes"))
            isReversed = ints("isReversed").map { $0 != 0 }
            reference = (fields["reference"] as? NSNumber)?.doubleValue ?? .nan
            isFine = (fields["isFine"] as? NSNumber)?.boolValue ?? false
            (mask, codes, held) = (try bytes("mask"), try bytes("codes"), try bytes("held"))
            fibreCodes = [try bytes("axisU"), try bytes("axisV"), try bytes("fractions")]
            self.page = page
            var voxels: [Int] = [], places: [[Int]] = []
            for i in mask.indices where mask[i] == 2 {
                let p = [i % shape[0], i / shape[0] % shape[1], i / (shape[0] * shape[1])]
                places.append(p)
                voxels.append(Self.index(p, low, steps, full, axes, isReversed))
            }
            (self.voxels, self.places) = (voxels, places)
            var position = 0
            starts = held.map { bits in
                defer { for n in 1...3 where bits >> UInt8(n - 1) & 1 == 1 { position += n } }
                return position
            }
        }

        private static func index(
            _ p: [Int], _ low: [Int], _ steps: [Int], _ full: [Int], _ axes: [Int], _ isReversed: [Bool]
        ) -> Int {
            var ijk = [0, 0, 0], extent = [0, 0, 0]
            for d in 0..<3 {
                let place = low[d] + p[d] * steps[d]
                ijk[axes[d]] = isReversed[d] ? full[d] - 1 - place : place
                extent[axes[d]] = full[d]
            }
            return ijk[0] + extent[0] * (ijk[1] + extent[1] * ijk[2])
        }

        func index(_ p: [Int]) -> Int { Self.index(p, low, steps, full, axes, isReversed) }

        /// Probabilities of the groups of voxel v at another λ, as the page's script computes them.
        func probabilities(_ v: Int, k: [Double], at lambda: Double) -> [Double] {
            let weights = k.indices.map { z -> Double in
                let at = z * voxels.count + v, below: Double
                if isFine {
                    below = Double(Int(codes[2 * at]) | Int(codes[2 * at + 1]) << 8) * (page.data["logStep"] as! Double)
                } else {
                    below =
                        codes[at] == 255 ? 100 : 2 * sinh(Double(codes[at]) / (page.data["shortScale"] as! Double))
                }
                return exp(-below - (lambda - reference) * k[z])
            }
            let sum = weights.reduce(0, +)
            return weights.map { $0 / sum }
        }

        /// The n fibres that voxel v has when it has n: axes in the scanner's frame, and fractions.
        func fibres(_ v: Int, _ n: Int) -> [(axis: SIMD3<Double>, fraction: Double)] {
            guard n > 0, held[v] >> UInt8(n - 1) & 1 == 1 else { return [] }
            let start = starts[v] + (1..<n).reduce(0) { $0 + (held[v] >> UInt8($1 - 1) & 1 == 1 ? $1 : 0) }
            return (start..<start + n).map { i in
                let u = Double(fibreCodes[0][i]) / 127 - 1, w = Double(fibreCodes[1][i]) / 127 - 1
                let x = (u + w) / 2, y = (u - w) / 2, axis = SIMD3(x, y, 1 - abs(x) - abs(y))
                return (axis / (axis * axis).sum().squareRoot(), Double(fibreCodes[2][i]) / 255)
            }
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
