import Foundation
import Testing

@testable import Reporting

@Suite struct ColourTableTests {
    /// FSLeyes: value, three colours from 0 to 1, name. ITK-SNAP: value, three bytes, opacity, visibility, mesh, name.
    @Test func viewersReadThem() throws {
        let lines = ColourTables.fsleyes(ColourTables.fibres).split(separator: "\n")
        #expect(lines.count == 3)
        for (value, line) in zip(1..., lines) {
            let words = line.split(separator: " ", maxSplits: 4)
            #expect(words.count == 5 && Int(words[0]) == value && words[4].hasPrefix("\(value) fibre"))
            for word in words[1...3] { #expect((0...1).contains(try #require(Double(word)))) }
        }
        let labels = ColourTables.itkSnap(ColourTables.fibres).split(separator: "\n")
        #expect(labels.count == 4)
        for (value, line) in zip(0..., labels) {
            let words = line.split(separator: " ", maxSplits: 7)
            #expect(words.count == 8 && Int(words[0]) == value && words[7].hasPrefix("\"") && words[7].hasSuffix("\""))
            for word in words[1...3] { #expect((0...255).contains(try #require(Int(word)))) }
            #expect(words[4...6].allSatisfy { $0 == (value == 0 ? "0" : "1") }, "\(line)")
        }
    }

    /// A voxel without cell bodies has no radius: the page must not show the least of the radii instead.
    @Test func voxelsWithoutHaveTheFirstColourToThemselves() {
        func codes(_ mayLack: Bool) -> [UInt8] {
            let map = ReportMap(title: "", unit: "", note: "", colours: "", low: 1, high: 12, mayLack: mayLack) {
                [0, 1, 12][$0]
            }
            return (0..<3).map(map.code)
        }
        #expect(codes(true) == [0, 1, 255])
        #expect(codes(false) == [0, 0, 255])
    }
}
