import Files
import Foundation
import Inference
import Volumes

/// What BIDS maps are called.
extension BIDSOutputs {
    /// The source's entities: its stem without the `dwi` suffix and without `desc`, which the maps replace by their
    /// own: a name has each entity once.
    public static func entities(_ sourceStem: String) -> String {
        let stem = sourceStem.hasSuffix("_dwi") ? String(sourceStem.dropLast(4)) : sourceStem
        let kept = stem.split(separator: "_", omittingEmptySubsequences: false).filter { !$0.hasPrefix("desc-") }
        return kept.isEmpty ? stem : kept.joined(separator: "_")
    }

    /// A word of a command line, or a source, without the folders of this machine: they are nobody else's business
    /// (user names are among them) and lead nowhere elsewhere. BIDS URIs stay.
    public static func withoutFolders(_ word: String) -> String {
        guard word.contains("/"), !word.hasPrefix("bids:"), !word.contains("://") else { return word }
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let path = parts.last!.hasSuffix("/") ? String(parts.last!.dropLast()) : parts.last!
        return (parts.count == 2 ? parts[0] + "=" : "") + FilePath.name(of: path)
    }

    static func stem(_ context: OutputContext, _ parameter: String, _ description: String) -> String {
        let source = entities(context.provenance.sourceStem), model = modelLabel(context)
        return "\(folder)/\(source)_model-\(model)_param-\(parameter)_desc-\(description)_dwimap"
    }

    /// A BIDS label: letters and digits of a name.
    static func label(_ name: String) -> String { name.filter { $0.isASCII && ($0.isLetter || $0.isNumber) } }

    static func modelLabel(_ context: OutputContext) -> String {
        let metadata = context.summary.metadata, own = label(metadata.family.name)
        return metadata.hasFibreColumns ? "bs" : own.isEmpty ? "family" : own
    }

    private static let standardNames: Set = [
        "s0", "diffusivity", "dstd", "snr", "sigma", "vf", "vfsum", "vector", "dispersion", "nfibres", "structure",
        "component", "polar", "model",
    ]

    /// Labels of a family's own numbers, each its own: of fractions `vf` and the component, of parameters their name,
    /// with the component's where it would stand for something else too.
    static func ownNames(_ quantities: [FamilyQuantity]) -> [String] {
        var taken = standardNames
        return quantities.map { quantity in
            let plain = quantity.kind == .fraction ? "vf" + label(quantity.group) : label(quantity.name)
            var name = taken.contains(plain) || plain.isEmpty ? label(quantity.group) + plain : plain, n = 1
            while taken.contains(name) || name.isEmpty { (name, n) = (plain + "own\(n)", n + 1) }
            taken.insert(name)
            return name
        }
    }

    static func text(of quantity: FamilyQuantity) -> String {
        switch quantity.kind {
        case .fraction: "signal fraction of '\(quantity.group)', all its members together (0 in draws that lack it)"
        case .named:
            quantity.text + (quantity.isEverywhere ? "" : ", over the draws that have it; 0 where none has")
        case .diffusion: quantity.text
        case .parameter:
            "parameter '\(quantity.name)'" + (quantity.group.isEmpty ? "" : " of '\(quantity.group)'")
                + ", over the draws that have it; 0 where none has (of several members their mean by fractions)"
        }
    }
}
