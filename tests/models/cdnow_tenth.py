"""The tenth of CDNOW on which the published parameters rest, out of the full log in ``data``."""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np
import pandas as pd

CDNOW = Path(__file__).parents[2] / "data" / "cdnow.parquet"

# Distances between the sampled customer ids (a = 1, b = 2, ...), as they stand in CDNOW_sample.txt
# (brucehardie.com/datasets, carried by lifetimes). No sort order of the full log has been found of which the
# sample is every tenth customer, so it is listed.
_GAPS = """
    dncCjkoyaaaqbroanqjmebfimetpobshicnutqdkaFnbmnnlpdbqcBgboikslppqsadmbeifurbuaqfrnerkkpowbtaolrsbggbnshig
    nunqajamochdgoekjgolcmbgocehmqqcpenjldpagobkimeddighfbadaqjigoffkcebctiqpckfmsmcankiplonfnypcdraoegcbero
    ssamdackdgksrboeyleaxbpjahuhocjbngnpalpdifgefdmfmottpplpthhdudbkjgarfjhhqoaplgencdrrdcceegbkfmpkbjcdfvds
    aehkanbtsdtfskalafdkhlubllcljmdbgpbriadihgtkbididcnkboridiepnvqlsaskdjadnoubokianrkjeerdhnrpmdqcfedhkqse
    blsekqvppbaugfhspiedioapcsodilrilstqhdhoneiedprnpanqmfwcchblcnflnbcbejbbmdsqdlbggcemfbbligiaraeqpcvebnet
    pblifqbbqfpdlegcdnfncpuohebmfegjfnuqfhudqdpbrpblaemjcfkwbcxcuiinooebecdacocbnnsncagjorlinsjhjcicghaplktp
    roqncqpochahrdryckdpogjelggdbpgnjinhoeveipnqkidpoldAupbtbfkjfowfnfmculpjfbpdcmcjuvibhhbhfldfdrfgeflompmc
    ldbkhjgcBfhiboddgfalggkbeqpladcpdukghnelrknmapcppijshhoekshigbknfbicouklgghsgmaqupeksxhnpunlaafgnsvhisqu
    mnnckjnafmpbodbnkkdrlasigeoBjlhgfarbpfolgotdawnokbbnflggomglieockeqerpmkekfprovebguodgigdjobbokodmxemmva
    knkfdejqdnoamdbsrkdxatpqoclvckpgqoadlfaioeihhhecgakeogfnborugidcqdkfjjdkhfkaokdclhdghjclscncdcmemnacrmqr
    qbgfwbhfeiifliqfkqgiaqghqqmrolsmqmrdlnqbldapkemltdmcprcdcklbcocqpvyrnfmedmarslmecpgegfgbffokgkfbrnhcfhpr
    pbgrncaqdoibfcmfnfjkfabeaepsngjcaeildnBtkeqmwvcnhipvfmxqeffmdkaarraqldquodrbktbeakbabrdecinmqoggcmhminum
    lbrqmnmplhonfgbktfmqonfkrlddhgnbpxeefladekhhosemkpobheeenaemahhjiefnrdjhanwdtjhhidggockeleedhbhijdrdhaod
    rillhdirpbalsopschaigjclmgohhibpomlnocaognabmekhqkghhpefjcsdarasqnfssbckatpjhqsaapkkmmchkpataborolaapasi
    fnagqurommanaedhcsnagggeadchgdeirhbfakaeockqjkqqmlovqcakcaqocigskerxbmrqkfpameopugklngkqahkobancvlgboybj
    kcmwiqpjgooabkckdgjeomtjdkaqefkbcslmbacoefdprnmqapobldqdsohjnksiiqrllganbjecbskccupooalbdnadqdpggdrnnihe
    nfadnnnboptnrprkikdaooqikgilkilfirqnamifglndbenpfpnfdhdcblemoomluarnpqggfmyosjnamhjetladppdejmpkeskpeqpc
    ghrsmjclkkegikaesobjgvhgcAofdoaebcecbgbicnditscloaqdkobkfcnlgdqupclocalpnpfjrqfirnsqlldfcgoflefltoiifljs
    dhfaggqdmhnoarpgoaenbmbnmhquodrgakemddercvrdhoimqcodkpihlelghmnaobrlddmdkihcrijolqcqeirdmcpwobmnpudbrcnm
    lmkrnebeabdbhljnpprpkmirqxhgeamccdjemmkmndpppnnpooedjpjfoabqnnckrumgmbrqjipiklqleaibibqgmdsbslnghlaukcll
    mrpnfcjlbgabdnmglleobocljcfgfkcgfdkfbinarbrmmfbkmnqjpdfrdjqtwkcroamcnbmbmghbmmnbfcfbtdkapnsrpbgkwcvcibgh
    dpmihjdelbggtpmhdgfolrbljamjabqbornnhikqoeakncnuaamltnropfnagjhiomaapmnoomlhcnqymjfjgnigplprnhsqkdkskech
    cipmcvmpienecimdgmcadgbdubajhhlbppnlmlbmlreafmjfdnebiobapcmbfabnnncbm
"""


def read_cdnow_tenth() -> pd.DataFrame:
    """Summaries until 30 September 1997, time in weeks as in the papers; one row per customer (2,357)."""
    steps = [string.ascii_letters.index(letter) + 1 for letter in "".join(_GAPS.split())]
    log = pd.read_parquet(CDNOW)
    log = log[log["customer_id"].astype(int).isin(np.cumsum(steps)) & (log["order_date"] <= "1997-09-30")]
    days = log.groupby(["customer_id", "order_date"], as_index=False)["amount"].sum()
    first = days.groupby("customer_id")["order_date"].transform("min")
    repeats = days[days["order_date"] > first].groupby("customer_id")["amount"]
    table = days.groupby("customer_id")["order_date"].agg(["min", "max", "size"])
    week = pd.Timedelta(days=7)
    return pd.DataFrame(
        {
            "frequency": table["size"] - 1,
            "recency": (table["max"] - table["min"]) / week,
            "T": (pd.Timestamp("1997-09-30") - table["min"]) / week,
            "monetary_value": repeats.mean().reindex(table.index, fill_value=0.0),
        }
    )
