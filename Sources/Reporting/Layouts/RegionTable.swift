import Foundation
import Inference
import Volumes

/// Regions' numbers as a tab-separated table.
public enum RegionTable {
    /// The first line, by which a table of ours is known again.
    public static let head = "region\tvoxels\tquantity\tunit\tmean\tsd\tq05\tq50\tq95\tvoxel_sd\n"

    /// - Parameter folder: that of the fit, whose maps without a posterior (misfit, dti) have means alone.
    /// - Throws: `VolumeError` where one of these is damaged.
    public static func text(
        _ statistics: RegionStatistics, regions: [VoxelRegion], summary: PosteriorSummary, mask: Mask, folder: String
    ) throws -> String {
        let metadata = summary.metadata, quantities = RegionStatistics.quantities(metadata)
        let own = BIDSOutputs.ownNames(metadata.quantities)
        func name(_ quantity: RegionQuantity) -> (String, unit: String) {
            switch quantity {
            case .fibreCount(let n): ("p_fibres\(n)", "")
            case .component(let c): ("p_\(metadata.components[c])", "")
            case .model(let m): ("p_model_" + (metadata.models + ["other"])[m], "")
            case .own(let k): (own[k], metadata.quantities[k].unit)
            case .statistic(let s):
                switch s {
                case .diffusivity: ("diffusivity", "mm^2/s")
                case .spread: ("dstd", "mm^2/s")
                case .snr: ("snr", "")
                case .s0: ("s0", "")
                case .noise: ("sigma", "")
                case .fractionSum: ("vfsum", "")
                case .fraction1: ("vf1", "")
                case .fraction2: ("vf2", "")
                case .fraction3: ("vf3", "")
                }
            }
        }
        var maps: [(name: String, unit: String, values: [Float])] = [("misfit", "", summary.misfit)]
        for (name, file, unit) in [("dti_fa", "dti/dti_FA.nii.gz", ""), ("dti_md", "dti/dti_MD.nii.gz", "mm^2/s")] {
            let path = folder + "/" + file
            guard FileManager.default.fileExists(atPath: path) else { continue }
            maps.append((name, unit, try mask.values(path: path)))
        }
        func number(_ x: Double) -> String { String(format: "%.6g", x) }
        var text = head
        for (r, region) in regions.enumerated() {
            let start = region.name.filter { $0 != "\t" && !$0.isNewline } + "\t\(statistics.fitted[r])\t"
            for (quantity, result) in zip(quantities, statistics.values[r]) {
                let (name, unit) = name(quantity)
                let numbers = result.map { [$0.mean, $0.sd, $0.q05, $0.q50, $0.q95, $0.between].map(number) }
                text += start + ([name, unit] + (numbers ?? Array(repeating: "n/a", count: 6))).joined(separator: "\t")
                text += "\n"
            }
            for map in maps {
                var sum = 0.0, square = 0.0, weight = 0.0
                for (v, w) in region.voxels where summary.isFitted(v) {
                    let x = Double(map.values[v])
                    (sum, square, weight) = (sum + w * x, square + w * x * x, weight + w)
                }
                let mean = sum / weight, sd = max(0, square / weight - mean * mean).squareRoot()
                let row =
                    weight > 0
                    ? [number(mean), "n/a", "n/a", "n/a", "n/a", number(sd)]
                    : Array(repeating: "n/a", count: 6)
                text += start + ([map.name, map.unit] + row).joined(separator: "\t") + "\n"
            }
        }
        return text
    }
}
