"""Names of wikis' file and category namespaces, and prefixes of links to other languages.

A dump's siteinfo gives the names in use, without their aliases, and cut-down dumps have another wiki's or none: so the
names of the language are known here too. Sources: the siteinfo of dumps, and what real pages of 120 wikis link to.
"""

from __future__ import annotations

import functools
import re
import unicodedata

WIKI_NAMES_KEY = "wiki_names"  # metadata key: what the dump says its files and categories are called
FILE_NAMESPACE = 6
CATEGORY_NAMESPACE = 14
_CANONICAL = ("file", "image", "category")
# By language code; every name of a file or category, aliases too, parted by `|`.
_LOCAL = {
    "af": "Lêer|Beeld|Kategorie", "als": "Datei|Bild|Kategorie", "am": "ስዕል|መደብ", "an": "Imachen|Imagen|Categoría",
    "ang": "Ymele|Flocc", "ar": "ملف|صورة|تصنيف", "arz": "ملف|صورة|تصنيف", "as": "চিত্ৰ|শ্ৰেণী",
    "ast": "Ficheru|Imaxe|Archivu|Imagen|Categoría", "az": "Şəkil|Fayl|Kateqoriya", "azb": "فایل|شکیل|بؤلمه",
    "ba": "Файл|Рәсем|Категория", "bar": "Datei|Bild|Kategorie", "be": "Файл|Выява|Катэгорыя|Катэгорія",
    "bg": "Файл|Картинка|Категория", "bn": "চিত্র|বিষয়শ্রেণী|বিষয়শ্রেণী", "br": "Restr|Skeudenn|Rummad",
    "bs": "Datoteka|Slika|Kategorija", "ca": "Fitxer|Imatge|Categoria", "ce": "Файл|Категори", "ceb": "Payl|Kategoriya",
    "ckb": "پەڕگە|وێنە|پۆل", "crh": "Fayl|Resim|Kategoriya", "cs": "Soubor|Kategorie", "cv": "Ӳкерчĕк|Файл|Категори",
    "cy": "Delwedd|Categori", "da": "Fil|Billede|Kategori", "de": "Datei|Bild|Kategorie",
    "dsb": "Dataja|Wobraz|Kategorija",
    "el": "Αρχείο|Εικόνα|Κατηγορία", "eo": "Dosiero|Kategorio", "es": "Archivo|Imagen|Categoría",
    "et": "Fail|Pilt|Kategooria", "eu": "Fitxategi|Irudi|Kategoria", "fa": "پرونده|تصویر|رده",
    "fi": "Tiedosto|Kuva|Luokka", "fo": "Mynd|Fíla|Bólkur", "fr": "Fichier|Catégorie", "fy": "Ofbyld|Bestân|Kategory",
    "ga": "Íomhá|Catagóir", "gd": "Faidhle|Dealbh|Roinn-seòrsa", "gl": "Ficheiro|Imaxe|Imagem|Categoría",
    "gu": "ચિત્ર|શ્રેણી", "gsw": "Datei|Bild|Kategorie", "he": "קובץ|תמונה|קטגוריה", "hi": "चित्र|श्रेणी",
    "hr": "Datoteka|Slika|Kategorija", "hsb": "Dataja|Wobraz|Kategorija", "ht": "Fichye|Imaj|Kategori",
    "hu": "Fájl|Kép|Kategória", "hy": "Պատկեր|Կատեգորիա", "ia": "File|Imagine|Categoria",
    "id": "Berkas|Gambar|Kategori", "io": "Arkivo|Imajo|Kategorio", "is": "Mynd|Flokkur",
    "it": "File|Immagine|Categoria", "ja": "ファイル|画像|カテゴリ", "jv": "Gambar|Berkas|Kategori",
    "ka": "ფაილი|სურათი|კატეგორია", "kk": "Сурет|Санат|Файл", "km": "ឯកសារ|រូបភាព|ចំណាត់ថ្នាក់ក្រុម|ចំណាត់ក្រុម",
    "kn": "ಚಿತ್ರ|ವರ್ಗ", "ko": "파일|그림|분류", "ku": "Wêne|Wêneyê|Kategorî", "ky": "Файл|Сүрөт|Категория",
    "la": "Fasciculus|Imago|Categoria", "lb": "Fichier|Bild|Kategorie", "li": "Plaetje|Aafbeilding|Categorie",
    "lmo": "Archivi|Imagen|Categuria", "ln": "Fichier|Catégorie", "lt": "Vaizdas|Kategorija",
    "ltg": "Fails|Attēls|Kategoreja", "lv": "Attēls|Kategorija", "mg": "Sary|Rakitra|Sokajy",
    "mk": "Податотека|Слика|Категорија", "ml": "പ്രമാണം|ചിത്രം|വർഗ്ഗം|വിഭാഗം", "mn": "Файл|Зураг|Ангилал",
    "mr": "चित्र|संचिका|वर्ग", "mrj": "Файл|Категори", "ms": "Fail|Imej|Kategori", "mt": "Stampa|Kategorija",
    "my": "ဖိုင်|ကဏ္ဍ", "mzn": "پرونده|تصویر|رج", "nan": "tóng-àn|Lūi-pia̍t",
    "nap": "Fiùra|Immagine|Categurìa|Categoria",
    "nds": "Bild|Datei|Kategorie", "ne": "चित्र|श्रेणी", "new": "किपा|पुचः", "nl": "Bestand|Afbeelding|Categorie",
    "nn": "Fil|Bilde|Kategori", "no": "Fil|Bilde|Kategori", "oc": "Fichièr|Imatge|Categoria", "or": "ଫାଇଲ|ଛବି|ଶ୍ରେଣୀ",
    "os": "Файл|Ныв|Категори", "pa": "ਤਸਵੀਰ|ਸ਼੍ਰੇਣੀ", "pl": "Plik|Grafika|Kategoria", "pms": "Figura|Archivi|Categorìa",
    "pnb": "فائل|گٹھ", "ps": "دوتنه|انځور|وېشنيزه", "pt": "Ficheiro|Imagem|Arquivo|Categoria",
    "qu": "Rikcha|Katiguriya",
    "ro": "Fișier|Fişier|Imagine|Categorie", "ru": "Файл|Изображение|Категория", "rue": "Файл|Катеґорія",
    "sa": "चित्रम्|सञ्चिका|वर्गः", "sah": "Билэ|Ойуу|Категория", "scn": "File|Mmàggini|Catigurìa",
    "sco": "File|Eemage|Category", "sd": "فائل|زمرو", "sh": "Datoteka|Slika|Kategorija", "si": "ගොනුව|රූපය|ප්‍රවර්ගය",
    "sk": "Súbor|Obrázok|Kategória", "sl": "Slika|Datoteka|Kategorija", "sq": "Skeda|Figura|Kategoria",
    "sr": "Датотека|Слика|Категорија|Datoteka|Slika|Kategorija", "su": "Gambar|Berkas|Kategori",
    "sv": "Fil|Bild|Kategori", "sw": "Picha|Faili|Jamii", "szl": "Plik|Kategoryjo|Kategoria",
    "ta": "படிமம்|பகுப்பு", "te": "దస్త్రం|బొమ్మ|ఫైలు|వర్గం", "tg": "Акс|Файл|Гурӯҳ", "th": "ไฟล์|ภาพ|หมวดหมู่",
    "tk": "Faýl|Kategoriýa", "tl": "Talaksan|Larawan|Kategorya|Kaurian", "tr": "Dosya|Resim|Kategori",
    "tt": "Файл|Рәсем|Төркем", "uk": "Файл|Зображення|Категорія", "ur": "فائل|تصویر|زمرہ",
    "uz": "Fayl|Tasvir|Turkum|Kategoriya",
    "vec": "File|Imàjine|Imàxene|Categoria", "vi": "Tập tin|Hình|Thể loại", "vls": "Ofbeeldienge|Categorie",
    "vo": "Ragiv|Magod|Klad", "wa": "Imådje|Categoreye", "war": "Paypay|Kaarangay", "wuu": "文件|图像|分类",
    "yi": "טעקע|בילד|קאַטעגאָריע|קאטעגאריע", "yo": "Fáìlì|Ẹ̀ka", "yue": "文件|檔|圖像|分類|分类|檔案",
    "zh": "文件|文件夹|图像|圖像|图片|圖片|檔案|档案|分类|分類|圖",
}  # fmt: skip
# Codes of Wikipedias, which are the prefixes of links between languages.
_WIKIPEDIAS = (
    "aa ab ace ady af ak als alt am ami an ang anp ar arc ary arz as ast atj av avk awa ay az azb ba ban bar bat-smg "
    "bbc bcl bdr be be-tarask be-x-old bew bg bh bi bjn blk bm bn bo bpy br bs btm bug bxr ca cbk-zam cdo ce ceb ch "
    "cho chr chy ckb co cr crh cs csb cu cv cy da dag de dga din diq dsb dtp dty dv dz ee el eml en eo es et eu ext "
    "fa fat ff fi fiu-vro fj fo fon fr frp frr fur fy ga gag gan gcr gd gl glk gn gom gor got gpe gsw gu guc gur guw "
    "gv ha hak haw he hi hif ho hr hsb ht hu hy hyw hz ia iba id ie ig igl ii ik ilo inh io is it iu ja jam jbo jv ka "
    "kaa kab kbd kbp kcg kg kge ki kj kk kl km kn knc ko koi kr krc ks ksh ku kus kv kw ky la lad lb lbe lez lfn lg "
    "li lij lld lmo ln lo lrc lt ltg lv lzh mad mai map-bms mdf mg mh mhr mi min mk ml mn mni mnw mo mos mr mrj ms mt "
    "mus mwl my myv mzn na nah nan nap nds nds-nl ne new ng nia nl nn no nov nqo nr nrm nso nup nv ny oc olo om or os "
    "pa pag pam pap pcd pcm pdc pfl pi pih pl pms pnb pnt ps pt pwn qu rm rmy rn ro roa-rup roa-tara rsk ru rue rup "
    "rw sa sah sat sc scn sco sd se sg sgs sh shi shn shy si simple sk skr sl sm smn sn so sq sr srn ss st stq su sv "
    "sw syl szl szy ta tay tcy tdd te tet tg th ti tig tk tl tly tn to tpi tr trv ts tt tum tw ty tyv udm ug uk ur uz "
    "ve vec vep vi vls vo vro wa war wo wuu xal xh xmf yi yo yue za zea zgh zh zh-classical zh-cn zh-min-nan zh-tw "
    "zh-yue zu"
)
_CODES = frozenset(_WIKIPEDIAS.split())

# Templates that say that a page is a disambiguation, by their names on wikis of many languages.
_DISAMBIGUATIONS = (
    "disambiguation|disambig|disamb|hndis|geodis|human name disambiguation|place name disambiguation|numberdis"
    "|geodisambig|disambiguation page|roaddis|schooldis|hospitaldis|callsigndis|mil-unit-dis|mathdab|begriffsklärung"
    "|homonymie|bandeau standard pour page d'homonymie|desambiguación|desambiguacion|desambig|disambigua|desambiguação"
    "|doorverwijspagina|ujednoznacznienie|неоднозначность|многозначность|неоднозначність|неадназначнасць"
    "|förgrening|förgreningssida|peker|flertydig|täsmennyssivu|rozcestník|rozlišovacia stránka|egyért"
    "|egyértelműsítő lap|dezambiguizare|пояснителна страница|вишезначна одредница|razdvojba|razločitev|αποσαφήνιση"
    "|anlam ayrımı|anlamayrımı|توضيح|פירושונים|ابهام‌زدایی|बहुविकल्पी|দ্ব্যর্থতা নিরসন|曖昧さ回避|aimai"
    "|人名の曖昧さ回避|地名の曖昧さ回避|消歧义|消歧義|동음이의|동음이의어 문서|định hướng|trang định hướng|แก้กำกวม"
    "|desambiguació|argipen|homónimos|täpsustuslehekülg|täpsustus|nuorodinis|nozīmju atdalīšana|բազմիմաստություն"
    "|მრავალმნიშვნელოვანი|apartigilo|discretiva|नि:संदिग्धीकरण|nyahkekaburan|aðgreining|gwahaniaethu|idirdhealú"
)
_DISAMBIGUATION = re.compile(
    rf"\{{\{{\s*+(?:(?:{_DISAMBIGUATIONS})\s*+[|}}]|(?:dp|dab|gren)\s*+\}}\}})|__DISAMBIG__",
    re.IGNORECASE,
)


def is_disambiguation(wikitext: str) -> bool:
    """True for a page that says that it lists the meanings of a title."""
    return _DISAMBIGUATION.search(wikitext) is not None


@functools.lru_cache(maxsize=64)
def dropped_prefixes(language: str | None, siteinfo_names: tuple[str, ...] = ()) -> frozenset[str]:
    """Prefixes, in lower case, of links that show no label: of files and categories, and of other languages' pages.

    language: code of the wiki's language; siteinfo_names: what the dump says its file and category
    namespaces are called. With neither, the names of all languages are taken.
    """
    names = list(_CANONICAL)
    known = _LOCAL.get((language or "").lower())
    for local in [known] if known else [] if language or siteinfo_names else _LOCAL.values():
        names += local.split("|")
    names += siteinfo_names
    return _CODES | {normal_prefix(unicodedata.normalize("NFC", name)) for name in names}


def media_names(namespaces: dict[str, int]) -> list[str]:
    """The local names of files and categories among a siteinfo's namespaces, sorted."""
    return sorted(name for name, number in namespaces.items() if number in (FILE_NAMESPACE, CATEGORY_NAMESPACE))


def normal_prefix(prefix: str) -> str:
    """A namespace's name as wikis compare them: without case, `_` as a space, none around it."""
    return " ".join(prefix.replace("_", " ").split()).lower()
