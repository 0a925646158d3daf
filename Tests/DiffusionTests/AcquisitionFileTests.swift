import Foundation
import Testing

@testable import Diffusion

@Suite struct AcquisitionFileTests {
    let good = """
        name: test
        unweighted: {count: 3, b: 5}
        shells:
          - {b: 1000, directions: 12}
          - {b: 2500.5, directions: 20}
        timing: {delta: 10.6, Delta: 43.1}
        """

    @Test("A file gives the acquisition that it describes, always the same")
    func reading() throws {
        let file = try AcquisitionFile(yaml: good, path: "t.yaml")
        #expect(file.name == "test" && file.unweightedB == 5 && file.pulseSeparation == 43.1 && !file.unweightedFirst)
        let a = try file.acquisition()
        #expect(
            a.count == 35 && a.unweightedIndices.first == 0 && a.unweightedIndices.count == 3
                && a.unweightedIndices.last! > 15)
        #expect(a.bValues.filter { $0 == 1000 }.count == 12 && a.bValues.filter { $0 == 2500.5 }.count == 20)
        #expect(a == (try file.acquisition()))
        let first = try AcquisitionFile(
            yaml: good.replacingOccurrences(of: "b: 5}", with: "b: 5, placement: first}"), path: "t"
        ).acquisition()
        #expect(first.unweightedIndices == [0, 1, 2])
    }

    @Test(
        "Anything else is refused, naming the key",
        arguments: [
            ("name: test", "nmae: test", "nmae"), ("count: 3", "count: 0", "count"),
            ("count: 3", "count: 2.5", "count"),
            ("b: 5", "b: 500", "'b'"), ("b: 1000", "b: -1000", "'b'"),
            ("directions: 12", "directions: 12, extra: 1", "extra"),
            ("directions: 12", "dirs: 12", "dirs"), ("b: 5", "placement: last", "placement"),
            ("Delta: 43.1", "Delta: 1", "Delta"),
            ("{delta: 10.6, Delta: 43.1}", "10", "timing"), ("name: test", "name: [", "YAML"),
            ("name: test", "name: test\nname: again", "again"),
            ("b: 1000", "b: .nan", "'b'"),
        ])
    func refusals(_ original: String, _ replacement: String, _ word: String) {
        do {
            _ = try AcquisitionFile(yaml: good.replacingOccurrences(of: original, with: replacement), path: "t.yaml")
            Issue.record("accepted \(replacement)")
        } catch { #expect("\(error)".contains(word) || "\(error)".contains("name") && word == "again", "\(error)") }
    }

    @Test("Shells are well spread, each by itself and together")
    func spread() {
        func nearest(_ set: [SIMD3<Double>]) -> Double {
            var smallest = Double.pi
            for i in set.indices {
                for j in 0..<i { smallest = min(smallest, acos(min(1, abs((set[i] * set[j]).sum())))) }
            }
            return smallest * 180 / Double.pi
        }
        // Six directions: the icosahedron's axes, 63.43° apart.
        #expect(nearest(DirectionSets.spread(6)) > 63.2)
        // Known optima of antipodal repulsion: about 25° for 30, 17.6° for 60.
        #expect(nearest(DirectionSets.spread(30)) > 22 && nearest(DirectionSets.spread(60)) > 15)
        let shells = DirectionSets.spreadShells([6, 15, 15, 60])
        #expect(shells.map(\.count) == [6, 15, 15, 60])
        #expect(
            nearest(shells[0]) > 50 && nearest(shells[1]) > 25 && nearest(shells[3]) > 13
                && nearest(shells.flatMap { $0 }) > 5)
    }

    @Test("The shipped files are what their names say")
    func shipped() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
            .appendingPathComponent("protocols/acquisitions")
        let counts = [
            "three-shell-1000-2000-3000": 99, "hcp-288": 288, "abcd-103": 103, "single-shell-64": 65, "clinical-30": 31,
            "sandi-170": 170,
        ]
        for (name, count) in counts {
            let file = try AcquisitionFile(path: folder.appendingPathComponent(name + ".yaml").path)
            let a = try file.acquisition()
            #expect(file.name == name && a.count == count)
            #expect(ProtocolMixture().rangeViolations(of: a).isEmpty)
        }
        let found = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }
        #expect(Set(found) == Set(counts.keys.map { $0 + ".yaml" }))
    }
}
