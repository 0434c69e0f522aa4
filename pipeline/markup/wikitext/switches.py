"""Behaviour switches of MediaWiki, `__NOTOC__` and its like, in the languages of its interface.

A wiki knows those of its language, of the languages that it falls back on, and the English ones. Words between double
underscores that are none of them are text. Source: the names that MediaWiki 1.39 gives its magic words, and those of
extensions that Wikimedia's wikis have.
"""

from __future__ import annotations

import functools
import re

# By language code: words in any case, parted by `|`; behind `/` those that have to be in this case.
_SWITCHES = {
    "ab": "/АИНДЕКС|ИНДЕКС",
    "af": "DWINGIO|GEENGALERY|GEENIO|GEENNUWEAFDELING|IO/GEENINDEKS|INDEKS",
    "ar":
        "فهرس|لاتحريرقسم|لاتحويل_عنوان|لاتحويل_محتوى|لاتع|لاتم|لافهرس|لامعرض|لصق_فهرس/تحويلة_إستاتيكية"
        "|تحويلة_ساكنة|تصنيف_مخفي|توقع_تصنيف_غير_مستخدم|فهرسة|لا_وصلة_قسم_جديد|لافهرسة|وصلة_قسم_جديد",
    "arz":
        "فهرس|لاتحريرقسم|لاتحويل_عنوان|لاتحويل_محتوى|لاتع|لاتم|لافهرس|لامعرض|لصق_فهرس|من_غير_تحريرقسم"
        "|من_غير_تحويل_محتوى|من_غير_فهرس|من_غير_معرض|من_غيرتحويل_عنوان/اتوقع_تصنيف_مش_مستخدم|تحويلة_إستاتيكية"
        "|تحويلة_ساكنة|تحويله_إستاتيكيه|تحويله_ساكنه|تصنيف_مخفي|فهرسة|لا_وصلة_قسم_جديد|لافهرسة"
        "|من_غير_وصلة_قسم_جديد|وصلة_قسم_جديد",
    "as": "/গোপন_শ্ৰেণী|সূচী",
    "az": "MÜNDƏRİCATYOX|QALEREYAYOX",
    "bcl": "/NAKATAGONGKAT",
    "be":
        "БЕЗ_ГАЛЕРЭІ|БЕЗ_РЭДАГАВАНЬНЯ_СЭКЦЫІ|БЯЗЬ_ЗЬМЕСТУ|ЗЬМЕСТ|ЗЬМЕСТ_ПРЫМУСАМ|НЕ_КАНВЭРТАВАЦЬ_НАЗВУ"
        "|НЕ_КАНВЭРТАВАЦЬ_ТЭКСТ/СПАСЫЛКА_НА_НОВУЮ_СЭКЦЫЮ|СТАТЫЧНАЕ_ПЕРАНАКІРАВАНЬНЕ|СХАВАЦЬ_КАТЭГОРЫЮ",
    "bg":
        "БЕЗ_РЕДАКТИРАНЕ_НА_РАЗДЕЛИ|БЕЗГАЛЕРИЯ|БЕЗСЪДЪРЖАНИЕ|СЪДЪРЖАНИЕ|СЪССЪДЪРЖАНИЕ/БЕЗИНДЕКСИРАНЕ"
        "|ВРЪЗКА_ЗА_НОВ_РАЗДЕЛ|ИНДЕКСИРАНЕ|СКРИТАКАТЕГОРИЯ",
    "bn":
        "কোন_গ্যালারি_নয়|কোন_গ্যালারী_নয়|কোন_বিষয়বস্তু_রূপান্তরকারী_নয়|কোন_বিষয়বস্তুর_ছক_নয়"
        "|কোন_বিষয়বস্তুর_টেবিল_নয়|কোন_শিরোনাম_রূপান্তরকারী_নয়|কোন_সম্পাদনা_অনুচ্ছেদ_নয়|কোনগ্যালারিনয়"
        "|কোনগ্যালারীনয়|কোনবিষয়বস্তুরছকনয়|কোনবিষয়বস্তুরটেবিলনয়|কোনবিষয়বস্তুরূপান্তরকারীনয়"
        "|কোনশিরোনামরূপান্তরকারীনয়|কোনসম্পাদনাঅনুচ্ছেদনয়|বিষয়বস্তুর_ছক|বিষয়বস্তুর_টেবিল|বিষয়বস্তুরছক"
        "|বিষয়বস্তুরটেবিল/কোন_নতুন_অনুচ্ছেদের_লিঙ্ক_নয়|কোন_নতুন_অনুচ্ছেদের_সংযোগ_নয়|কোন_নির্ঘণ্ট_নয়"
        "|কোননতুনঅনুচ্ছেদেরলিঙ্কনয়|কোননতুনঅনুচ্ছেদেরসংযোগনয়|কোননির্ঘণ্টনয়|নতুন_অনুচ্ছেদের_লিঙ্ক"
        "|নতুন_অনুচ্ছেদের_সংযোগ|নতুনঅনুচ্ছেদেরলিঙ্ক|নতুনঅনুচ্ছেদেরসংযোগ|নির্ঘণ্ট|নির্ঘণ্টনয়|লুকানো_বিষয়শ্রেণী"
        "|লুকানোবিষয়শ্রেণী|লুকায়িতবিষয়শ্রেণী|লুক্কায়িত_বিষয়শ্রেণী|লুক্কায়িতবিষয়শ্রেণী|স্থির_পুনর্নির্দেশ"
        "|স্থিরপুনর্নির্দেশ",
    "bs":
        "BEZCC|BEZGALERIJE|BEZIZMJENA|BEZSADRŽAJA|BEZTC|BEZ_IZMJENA|FORSIRAJSADRŽAJ|FORSIRANISADRŽAJ|SADRŽAJ"
        "/BEZINDEKSIRANJA|BEZSADRZAJA|INDEKSIRAJ|INDEKSIRANJE|LINKNOVESEKCIJE|LINKNOVOGODLOMKA|NEINDEKSIRAJ"
        "|SADRZAJ|SAKRIVENAKATEGORIJA|SKRIVENAKATEGORIJA|STATISTICNOPREUSMJERENJE|STATIČNOPREUSMJERENJE",
    "ca":
        "CAPGALERIA|CAPTAULA|FORÇATAULA|NOGALERIA|NOTAULA|RESUM|SECCIONOEDITABLE|SECCIÓNOEDITABLE|TAULA|TDM"
        "/CAPINDEX|CATAMAGADA|REDIRECCIOESTATICA|REDIRECCIÓESTATICA",
    "ce":
        "АГӀО_ТА_ЦА_ЕШ|БАЦ_ЧУЛ|БАЦ_ЧУЛАЦАМ|БЕЗ_ГАЛЕРЕИ|БЕЗ_ОГЛ|БЕЗ_ОГЛАВЛЕНИЯ|БЕЗ_ПРЕОБРАЗОВАНИЯ_ЗАГОЛОВКА"
        "|БЕЗ_ПРЕОБРАЗОВАНИЯ_ТЕКСТА|БЕЗ_РЕДАКТИРОВАНИЯ_РАЗДЕЛА|ЙАЦ_УЧЕ|ЙОЗА_ХИЙЦАР_ДОЦУШ|ОБЯЗ_ОГЛ"
        "|ОБЯЗАТЕЛЬНОЕ_ОГЛАВЛЕНИЕ|ОГЛ|ОГЛАВЛЕНИЕ|ТlЕДУЬЛ_ЧУЛ|ТlЕДУЬЛЛУ_ЧУЛАЦАМБАР|ХИЙЦАР_ДОЦУШ_КОЬРТЕ|ЧУЛ|ЧУЛАЦАМ"
        "/БЕЗ_ИНДЕКСА|БЕЗ_ССЫЛКИ_НА_НОВЫЙ_РАЗДЕЛ|ИНДЕКС|ЙОЦАШ_ХЬАЖОРГ_ОЦ_КЕРЛАЧУ_ДЕКЪАН|КЪАЙЛАХА_ЙОЛУ_КАТЕГОРИ"
        "|МЕТТИГТЕРАХЬ|МЕТТИГТЕРАХЬ_ЙОЦАШ|СКРЫТАЯ_КАТЕГОРИЯ|ССЫЛКА_НА_НОВЫЙ_РАЗДЕЛ|СТАТИСТИКИН_ДӀАСХЬАЖОРГ"
        "|СТАТИЧЕСКОЕ_ПЕРЕНАПРАВЛЕНИЕ|ХЬАЖОРГ_ОЦ_КЕРЛАЧУ_ДЕКЪАН",
    "cs":
        "BEZEDITOVATČÁST|BEZGALERIE|BEZKONVERZENADPISU|BEZKONVERZEOBSAHU|BEZOBSAHU|OBSAH|VŽDYOBSAH"
        "/BEZLINKUPŘIDATKOMENTÁŘ|INDEXOVAT|LINKPŘIDATKOMENTÁŘ|NEINDEXOVAT|SKRÝTKAT|STATICKÉPŘESMĚROVÁNÍ",
    "cy": "DIMADRANGOLYGU|DIMGOLYGUADRAN|DIMRHESTRGYNNWYS|DIMRHG|DIMTAFLENCYNNWYS/CATCUDD|CYSWLLTADRANNEWYDD",
    "de":
        "ABSCHNITTE_NICHT_BEARBEITEN|INHALTSVERZEICHNIS|INHALTSVERZEICHNIS_ERZWINGEN|KEINEGALERIE|KEINE_GALERIE"
        "|KEINE_INHALTSKONVERTIERUNG|KEINE_TITELKONVERTIERUNG|KEININHALTSVERZEICHNIS|KEIN_INHALTSVERZEICHNIS"
        "/INDEXIEREN|INDIZIEREN|KEIN_INDEX|KEIN_NEUER_ABSCHNITTSLINK|KEIN_PLUS_LINK|NEUER_ABSCHNITTSLINK"
        "|NICHT_INDEXIEREN|NICHT_INDIZIEREN|PERMANENTE_WEITERLEITUNG|PLUS_LINK|VERSTECKTE_KATEGORIE"
        "|WARTUNGSKATEGORIE",
    "diq":
        "ESTEN|ESTENZARURET|ESTENÇINO|GALERİÇINO|SERNAMEVURNAYIŞÇINO|SVÇ|TİMARKERDIŞÇINO|ZERREVURNAYIŞÇINO|ZVÇ"
        "/GREYÉSERNAMEDÉNEWİ|GREYÉSERNAMEDÉNEWİÇINO|KATEGORİYANIMITİ|SERSIQ|SERSIQÇINYO|STATICHETENAYIŞ"
        "|STATİKHETENAYIŞ",
    "el":
        "ΜΕΠΙΝΑΚΑΠΕΡΙΕΧΟΜΕΝΩΝ|ΜΕΠΠ|ΠΙΝΑΚΑΣΠΕΡΙΕΧΟΜΕΝΩΝ|ΠΠ|ΧΩΡΙΣΕΠΕΞΕΝΟΤ|ΧΩΡΙΣΕΠΕΞΕΡΓΑΣΙΑΕΝΟΤΗΤΩΝ"
        "|ΧΩΡΙΣΜΕΤΑΤΡΟΠΗΠΕΡΙΧΟΜΕΝΟΥ|ΧΩΡΙΣΜΕΤΑΤΡΟΠΗΤΙΤΛΟΥ|ΧΩΡΙΣΠΙΝΑΚΑΠΕΡΙΕΧΟΜΕΝΩΝ|ΧΩΡΙΣΠΙΝΑΚΟΘΗΚΗ|ΧΩΡΙΣΠΠ"
        "/ΔΕΣΜΟΣΝΕΑΣΕΝΟΤΗΤΑΣ|ΕΥΡΕΤΗΡΙΟ|ΚΡΥΦΗΚΑΤΗΓΟΡΙΑ|ΣΤΑΤΙΚΗΑΝΑΚΑΤΕΥΘΥΝΣΗ|ΧΩΡΙΣΕΥΡΕΤΗΡΙΟ",
    "en":
        "FORCETOC|NOCC|NOCONTENTCONVERT|NOEDITSECTION|NOGALLERY|NOTC|NOTITLECONVERT|NOTOC|TOC/ARCHIVEDTALK"
        "|DISAMBIG|EXPECTED_UNCONNECTED_PAGE|EXPECTUNUSEDCATEGORY|EXPECTUNUSEDTEMPLATE|HIDDENCAT|HIDEFACTBOX|INDEX"
        "|NEWSECTIONLINK|NOGLOBAL|NOINDEX|NONEWSECTIONLINK|NOTITLE|SHOWFACTBOX|STATICREDIRECT",
    "eo":
        "FI|FORTUINDEKSON|FT|I|INDEKSO|NCC|NEINDEKSO|NEKONVERTUENHAVON|NEKONVERTUTITOLON|NES|NG|NI|NKH|NKT|NT|NTC"
        "|SB|SENBILDARO|SENGALERIO|SENREDAKTISEKCIOJN|SENREDAKTISEKCION|SG|SRS|T/INDEKSI|INDEKSU|KASXITAKATEGORIO"
        "|KAŜITAKATEGORIO|KK|LANS|LIGILOALNOVASEKCIO|LNS|NEINDEKSU|NIU|NNSL|NSL|SENLIGILOALNOVASEKCIO|SLANS|SLNS"
        "|STATIKAALIDIREKTO",
    "es":
        "FORZARTDC|FORZARTOC|FORZAR_TDC|NOCONVERTIRCONTENIDO|NOCONVERTIRTITULO|NOCONVERTIRTÍTULO|NOCT"
        "|NOEDITARSECCION|NOEDITARSECCIÓN|NOGALERIA|NOGALERÍA|NOTDC|NO_EDITAR_SECCIÓN|SIN_GALERÍA|SIN_TDC|TDC"
        "/CATEGORÍAOCULTA|ENLACECREARSECCIÓN|INDEXAR|NOINDEXAR|NOVINCULARANUEVASECCION|REDIRECCIONESTATICA"
        "|REDIRECCIÓNESTÁTICA|SINENLACECREARSECCIÓN|VINCULARANUEVASECCION",
    "et":
        "ALAOSALINGITA|GALERIITA|SISUKORD|SISUKORDEES|SISUKORRATA/INDEKSIGA|INDEKSITA|PEIDETUDKAT|UUEALAOSALINGITA"
        "|UUEALAOSALINK",
    "fa":
        "بافهرست|بی‌بخش|بی‌فهرست|بی‌نگارخانه|عنوان‌تبدیل‌نشده|فهرست|محتواتبدیل‌نشده/بخش‌جدید|بی‌نمایه|بی‌پیوندبخش"
        "|بی‌پیوند‌بخش‌جدید|تغییرمسیرثابت|رده‌پنهان|نمایه",
    "fi": "EIOSIOMUOKKAUSTA|EISISLUETT|SISLUETTPAKOTUS|SISÄLLYSLUETTELO/HAKUKONEKIELTO|PIILOLUOKKA",
    "fr":
        "AUCUNEGALERIE|AUCUNETDM|AUCUNSOMMAIRE|FORCERSOMMAIRE|FORCERTDM|SANSCC|SANSCONVERSIONCONTENU"
        "|SANSCONVERSIONTITRE|SANSCT|SECTIONNONEDITABLE|SOMMAIRE|TDM/AUCUNINDEX|AUCUNLIENNOUVELLESECTION|CATCACHEE"
        "|LIENNOUVELLESECTION|REDIRECTIONSTATIQUE",
    "frp":
        "AUCUNEGALERIE|AUCUNETDM|AUCUNSOMMAIRE|FORCERSOMMAIRE|FORCERTDM|FORCIÉR_LA_TRÂBLA|FORCIÉR_LO_SOMÈRO"
        "|NIONA_GALERIE|NIONA_TRÂBLA|NION_SOMÈRO|SANSCC|SANSCONVERSIONCONTENU|SANSCONVERSIONTITRE|SANSCT"
        "|SECTIONNONEDITABLE|SENCDC|SENCDT|SEN_CONVÈRSION_DE_CONTEGNU|SEN_CONVÈRSION_DE_TITRO|SOMMAIRE|SOMÈRO"
        "|SÈCCION_QUE_PÔT_PAS_ÉTRE_CHANGIÊ|TDM|TRÂBLA/AUCUNINDEX|AUCUNLIENNOUVELLESECTION|CATCACHEE"
        "|CATÈGORIE_CACHIÊ|ENDÈXE|LIENNOUVELLESECTION|LIM_DE_NOVÈLA_SÈCCION|NION_ENDÈXE|NION_LIM_DE_NOVÈLA_SÈCCION"
        "|REDIRECTIONSTATIQUE|REDIRÈCCION_IMOBILA",
    "ga": "CÁ|CÁGACHUAIR|GANCÁ|GANMHÍRATHRÚ|GANTA|GANTIONTÚNADTEIDEAL|GANTIONTÚNANÁBHAIR|GANTT",
    "gl":
        "FORCARSUMARIO|FORCARTDC|FORZAROÍNDICE|FORÇARSUMÁRIO|FORÇARTDC|NAOEDITARSECAO|NÃOEDITARSEÇÃO"
        "|SECCIÓNSNONEDITABLES|SEMEDITARSECAO|SEMEDITARSEÇÃO|SEMGALERIA|SEMSUMÁRIO|SEMTDC|SENGALERÍA|SENÍNDICE"
        "|SUMARIO|SUMÁRIO|TDC|ÍNDICE/CATEGORIAOCULTA|CATEGORÍAOCULTA|CATOCULTA|INDEXAR|LIGACAODENOVASECAO"
        "|LIGAZÓNDANOVASECCIÓN|LIGAÇÃODENOVASEÇÃO|LINKDENOVASECAO|LINKDENOVASEÇÃO|NAOINDEXAR|NONINDEXAR|NÃOINDEXAR"
        "|REDIRECCIONESTATICA|REDIRECCIÓNESTÁTICA|REDIRECIONAMENTOESTATICO|REDIRECIONAMENTOESTÁTICO",
    "he":
        "חייב_תוכן|חייב_תוכן_עניינים|ללא_גלריה|ללא_המרת_כותרת|ללא_המרת_תוכן|ללא_עריכה|ללא_תוכן|ללא_תוכן_עניינים"
        "|תוכן|תוכן_עניינים/הפניה_קבועה|יצירת_הערה|לא_לחיפוש|לחיפוש|ללא_יצירת_הערה|קטגוריה_מוסתרת",
    "hi":
        "अनुक्रम|अनुक्रम_दिखाएँ|अनुभाग_सम्पादन_नहीं|गैलरी_नहीं|बिना_अनुक्रम|विषय_सूची|विषय_सूची_दिखाएँ"
        "|विषय_सूची_दिखायें|विषय_सूची_हीन/असूचीबद्ध|छिपी_श्रेणी|छुपी_श्रेणी|विषय_जोड़े_कड़ी_रहित|विषय_जोड़ें_कड़ी"
        "|सूचीबद्ध|स्थिर_अनुप्रेषण|स्थिर_पुनर्प्रेषण",
    "hr":
        "BEZGALERIJE|BEZPRETVARANJANASLOVA|BEZPRETVARANJASADRŽAJA|BEZSADRŽAJA|BEZUREĐIVANJAODLOMAKA|BPN|BPS"
        "|SADRŽAJ|UKLJUČISADRŽAJ/BEZKAZALA|KAZALO|NEPOMIČNOPREUSMJERAVANJE|NOVIODLOMAKPOVEZNICA|SKRIVENAKAT",
    "hu":
        "LEGYENTARTALOMJEGYZÉK|LEGYENTJ|NINCSGALÉRIA|NINCSSZERK|NINCSSZERKESZTÉS|NINCSTARTALOMJEGYZÉK|NINCSTJ"
        "|TARTALOMJEGYZÉK|TJ/NINCSINDEX|NINCSÚJSZAKASZHIV|NINCSÚJSZAKASZLINK|REJTETTKAT|REJTETTKATEGÓRIA"
        "|STATIKUSÁTIRÁNYÍTÁS|ÁLLANDÓÁTIRÁNYÍTÁS|ÚJSZAKASZHIV|ÚJSZAKASZLINK",
    "hy":
        "ԱՌԱՆՑ_ԲԱԺՆԻ_ԽՄԲԱԳՐՄԱՆ|ԱՌԱՆՑ_ԲՈՎ|ԱՌԱՆՑ_ՊԱՐՈՒՆԱԿՈՒԹՅԱՆ_ՓՈՓՈԽՄԱՆ|ԱՌԱՆՑ_ՍՐԱՀԻ|ԱՌԱՆՑ_ՎԵՐՆԱԳՐԻ_ՓՈՓՈԽՄԱՆ|ԲՈՎ"
        "|ՍՏԻՊԵԼ_ԲՈՎ/ՀՂՈՒՄ_ՆՈՐ_ԲԱԺՆԻ_ՎՐԱ",
    "id":
        "DAFTARISI|DASI|NIRDASI|NIRGAL|NIRKODUL|NIRKOSI|NIRSUBA|PAKSADAFTARISI|PAKSADASI|TANPADAFTARISI"
        "|TANPAGALERI|TANPAKONVERSIISI|TANPAKONVERSIJUDUL|TANPASUNTINGANBAGIAN/INDEKS|KATEGORITERSEMBUNYI|KATSEM"
        "|NIRDEKS|NIRPRABABA|PENGALIHANSTATIK|PENGALIHANSTATIS|PETIK|PETIS|PRABABA|PRANALABAGIANBARU|TANPAINDEKS"
        "|TANPAPRANALABAGIANBARU",
    "is": "EMSAFN",
    "it": "/INDICE|NOINDICE",
    "ja":
        "ギャラリー非表示|セクション編集非表示|タイトルコンバート拒否|タイトル変換無効|タイトル非表示|内容変換抑制"
        "|内容変換無効|目次|目次強制|目次非表示|節編集非表示/インデックス|インデックス拒否|カテゴリ非表示"
        "|カテ非表示|二重転送修正無効|二重転送解消無効|新しいセクションリンク|新しいセクションリンク非表示"
        "|新しい節リンク|新しい節リンク非表示|新セクションリンク|新セクションリンク非表示|隠しカテゴリ|静的転送"
        "|非表示カテ",
    "ka": "უგალერეო",
    "kk":
        "AABAW|ATAWALMASTIRĞIZBAW|BÖLİDİMÖNDEMEW|BÖLİMÖNDETKİZBEW|MABAW|MATJOQ|MAZMUNDATQIZW|MAZMUNI|MAZMUNSIZ"
        "|MAĞLUMATALMASTIRĞIZBAW|MAĞLUMATINTÜRLENDİRGİZBEW|MQIZW|MSIZ|MZMN|QOÝMASIZ|QSIZ"
        "|TAQIRIPATINTÜRLENDİRGİZBEW|TATJOQ|ААБАУ|АТАУАЛМАСТЫРҒЫЗБАУ|БӨЛІДІМӨНДЕМЕУ|БӨЛІМӨНДЕТКІЗБЕУ|МАБАУ"
        "|МАЗМҰНДАТҚЫЗУ|МАЗМҰНСЫЗ|МАЗМҰНЫ|МАТЖОҚ|МАҒЛҰМАТАЛМАСТЫРҒЫЗБАУ|МАҒЛҰМАТЫНТҮРЛЕНДІРГІЗБЕУ|МЗМН|МСЫЗ|МҚЫЗУ"
        "|ТАТЖОҚ|ТАҚЫРЫПАТЫНТҮРЛЕНДІРГІЗБЕУ|ҚОЙМАСЫЗ|ҚСЫЗ|ااباۋ|اتاۋالماستىرعىزباۋ|بولىدىموندەمەۋ|بولىموندەتكىزبەۋ"
        "|تاتجوق|تاقىرىپاتىنتۇرلەندىرگىزبەۋ|قسىز|قويماسىز|ماباۋ|ماتجوق|مازمۇنداتقىزۋ|مازمۇنسىز|مازمۇنى"
        "|ماعلۇماتالماستىرعىزباۋ|ماعلۇماتىنتۇرلەندىرگىزبەۋ|مزمن|مسىز|مقىزۋ/JASIRINSANAT|JAÑABÖLİMSİLTEMESİ"
        "|ЖАСЫРЫНСАНАТ|ЖАҢАБӨЛІМСІЛТЕМЕСІ|جاسىرىنسانات|جاڭابولىمسىلتەمەسى",
    "km":
        "កុំបង្ហាញមាតិកា|គ្មានបញ្ជីអត្ថបទ|គ្មានមាតិកា|បង្ខំបញ្ជីអត្ថបទ|បង្ខំមាតិកា|បង្ខំអោយបង្ហាញមាតិកា"
        "|បញ្ជីអត្ថបទ|ផ្នែកមិនត្រូវកែប្រែ|មាតិកា|មិនមានផ្នែកកែប្រែ|លាក់បញ្ជីអត្ថបទ|លាក់ផ្នែកកែប្រែ|លាក់មាតិកា"
        "|លាក់វិចិត្រសាល/ចំណាត់ថ្នាក់ក្រុមមិនបានបង្ហាញ|តំណភ្ជាប់ផ្នែកថ្មី|តំនភ្ជាប់ផ្នែកថ្មី|មិនមានលិបិក្រម"
        "|លិបិក្រម|ស្ថិតិទំព័របញ្ជូនបន្ត",
    "ko":
        "갤러리숨김|내변안함|내변없음|내용변환안함|내용변환없음|단락편집숨김|목차|목차보임|목차숨김|목차표시"
        "|문단편집숨김|부분편집숨김|제목변환안함|제목변환없음|제변안함|제변없음|화랑숨김/넘겨주기고정|새글쓰기"
        "|새글쓰기숨기기|새문단쓰기|새문단쓰기숨기기|색인|색인거부|색인안함|숨은분류",
    "krc": "БАШЛАСЫЗ|БЕЗ_ГАЛЕРЕИ|БЕЗ_ОГЛ|БЕЗ_ОГЛАВЛЕНИЯ|ГАЛЛЕРЕЯСЫЗ",
    "ksh":
        "ENHALLT|INHALTSVERZEICHNIS|KEINEGALERIE|KEINE_GALERIE|KEIN_JALLERIE/VERSHTOCHE_SAACHJRUPP"
        "|VERSTECKTE_KATEGORIE|WARTUNGSKATEGORIE",
    "ku": "GALERÎTUNE|NAVEROK|NAVEROKTUNE",
    "kw": "/HEBMENEGVA|KLASSKUDHYS|MENEGVA",
    "lb": "/VERSTECKTE_KATEGORIE|VERSTOPPT_KATEGORIE|WARTUNGSKATEGORIE",
    "lt": "BEGALERIJOS|BEREDAGSEKC|BETURIN|TURINYS",
    "mg":
        "AUCUNEGALERIE|AUCUNETDM|AUCUNSOMMAIRE|FORCERSOMMAIRE|FORCERTDM|LAHAT|LAHATRA|SECTIONNONEDITABLE|SOMMAIRE"
        "|TDM|TEREONYLAHATRA|TSYASIANAGALLERY|TSYASIANALAHATRA|TSYAZOOVAINA",
    "mk":
        "БЕЗ_УРЕДУВАЊЕ_НА_ПОДНАСЛОВИ|БЕЗГАЛЕРИЈА|БЕЗПРЕТВОРАЊЕНАСЛОВ|БЕЗПРЕТВОРАЊЕСОДРЖИНА|БЕЗСОДРЖИНА|СОДРЖИНА"
        "|СОСОДРЖИНА/БЕЗВРСКАНОВПОДНАСЛОВ|БЕЗИНДЕКС|ВРСКАНОВПОДНАСЛОВ|ИНДЕКС|СКРИЕНАКАТ|СКРИЕНАКАТЕГОРИЈА"
        "|СТАТИЧНОПРЕНАСОЧУВАЊЕ",
    "ml":
        "ഉള്ളടക്കം|ഉള്ളടക്കംഇടുക|ഉള്ളടക്കംമാറ്റേണ്ട|ഉള്ളടക്കംവേണ്ട|ചിത്രസഞ്ചയംവേണ്ട|തലക്കെട്ട്മാറ്റേണ്ട"
        "|സംശോധിക്കേണ്ട/പുതിയഖണ്ഡിക്കണ്ണി|പുതിയഖണ്ഡിക്കണ്ണിവേണ്ട|പുതിയവിഭാഗംകണ്ണി|പുതിയവിഭാഗംകണ്ണിവേണ്ട"
        "|മറഞ്ഞിരിക്കുംവർഗ്ഗം|സൂചിക|സൂചികവേണ്ട|സ്ഥിരസ്ഥിതതിരിച്ചുവിടൽ",
    "mr":
        "अनुक्रमणिका|अनुक्रमणिकानको|अनुक्रमणिकाहवीच|प्रदर्शननको|विनामजकुरबदल|विनामब|विनाशीब|विनाशीर्षकबदल"
        "|विभागअसंपादनक्षम/अनुक्रमीत|अविचलपुर्ननिर्देश|क्रमीत|नवविभागदुवा|वर्गलपवा|विनाअनुक्रमीत|विनाक्रमीत"
        "|विनानवविभागदुवा",
    "mt":
        "EBDAGALLERIJA|EBDAKK|EBDAKONVERTURKONTENUT|EBDAKONVERTURTITLU|EBDAKT|EBDASEZZJONIMODIFIKA|EBDAWERREJ"
        "|SFORZAWERREJ|WERREJ/EBDAINDIĊI|EBDAĦOLQASEZZJONIĠDIDA|INDIĊI|KATMOĦBIJA|RIINDIRIZZSTATIKU"
        "|ĦOLQASEZZJONIĠDIDA",
    "mwl": "/ANCAMINARSTATICO|REDIRECIONAMENTOESTATICO|REDIRECIONAMENTOESTÁTICO",
    "mzn": "بافهرست|بی‌بخش|بی‌فهرست|بی‌نگارخانه|بی‌نگارخنه|فهرست",
    "nb":
        "INGENINNHOLDSFORTEGNELSE|INGENINNHOLDSKONVERTERING|INGENSEKSJONSREDIGERING|INGENTITTELKONVERTERING"
        "|INNHOLDSFORTEGNELSE|INTETGALLERI|TVINGINNHOLDSFORTEGNELSE/INDEKSER|INGENINDEKSERING|INGENNYSEKSJONSLENKE"
        "|NYSEKSJONSLENKE|SKJULTKATEGORI|STATISTOMDIRIGERING",
    "nds":
        "ABSCHNITTE_NICHT_BEARBEITEN|FORCEERINHOUD|FORSEERONDERWARPEN|GEENIC|GEENINHOUD|GEENINHOUDCONVERSIE"
        "|GEENPAGINANAAMCONVERSIE|GEENTC|GEENTITELCONVERSIE|GEEN_GALERIJ|GIENBEWARKSEKSIE|GIENGALDERIEJE"
        "|GIENGALLERIEJE|GIENIK|GIENINHOUDKONVERSIE|GIENONDERWARPEN|GIENTITELKONVERSIE|GIENTK|INHALTSVERZEICHNIS"
        "|INHALTSVERZEICHNIS_ERZWINGEN|INHOLTVERTEKEN|INHOUD|INHOUD_DWINGEN|KEENINHOLTVERTEKEN|KEENÄNNERNLINK"
        "|KEININHALTSVERZEICHNIS|KEIN_INHALTSVERZEICHNIS|NIETBEWERKBARESECTIE|ONDERWARPEN|WIESINHOLTVERTEKEN"
        "/GEENINDEX|GEENNIEUWESECTIELINK|GEENNIEUWKOPJEKOPPELING|GEENNIEUWKOPJEVERWIJZING|GIENINDEX"
        "|GIENNIEJKOPJENVERWIEZING|NIEJESEKSIEVERWIEZING|NIEUWESECTIEKOPPELING|NIEUWESECTIELINK"
        "|STAOTIESEDEURVERWIEZING|STATISCHEDOORVERWIJZING|STATISCHEREDIRECT|VERBORGENCAT|VERBÖRGENKAT",
    "nl":
        "FORCEERINHOUD|GEENIC|GEENINHOUD|GEENINHOUDCONVERSIE|GEENPAGINANAAMCONVERSIE|GEENTC|GEENTITELCONVERSIE"
        "|GEEN_GALERIJ|INHOUD|INHOUD_DWINGEN|NIETBEWERKBARESECTIE/GEENINDEX|GEENNIEUWESECTIELINK"
        "|GEENNIEUWKOPJEKOPPELING|GEENNIEUWKOPJEVERWIJZING|NIEUWESECTIEKOPPELING|NIEUWESECTIELINK"
        "|STATISCHEDOORVERWIJZING|STATISCHEREDIRECT|VERBORGENCAT",
    "nn":
        "ALLTIDINNHALDSLISTE|ALLTIDINNHOLDSLISTE|INGABOLKENDRING|INGABOLKREDIGERING|INGAINNHALDSLISTE"
        "|INGENDELENDRING|INGENINNHOLDSLISTE|INKJEGALLERI|INNHALDSLISTE|INNHOLDSLISTE/GØYMDKAT|LØYNDKAT",
    "oc":
        "CAPDEGALARIA|CAPDEGALARIÁ|CAPDETAULA|FORÇARSOMARI|FORÇARTAULA|FORÇARTDM|PASCAPDEDEGALARIÁ|PASCAPDESOMARI"
        "|PASCAPDETDM|SECCIONNONEDITABLA|SOMARI|TAULA|TDM/CATAMAGADA|LIGAMSECCIONNOVÈLA|PASCAPDELIGAMSECCIONNOVÈLA"
        "|PASCAPDINDÈX|REDIRECCIONESTATICA",
    "or": "ବଦଳା_ନହେବାଶ୍ରେଣୀ/ନୂଆ_ବିଭାଗ_ନକରିବା_ଲିଙ୍କ|ନୂଆବିଭାଗଲିଙ୍କ|ଲୁଚିଥିବାବିଭାଗ",
    "os":
        "ÆНÆГАЛЕРЕЙ|ÆНÆСÆР|ÆНÆХАЙИВЫНÆЙ|БЕЗ_ГАЛЕРЕИ|БЕЗ_ОГЛ|БЕЗ_ОГЛАВЛЕНИЯ|БЕЗ_РЕДАКТИРОВАНИЯ_РАЗДЕЛА|ОБЯЗ_ОГЛ"
        "|ОБЯЗАТЕЛЬНОЕ_ОГЛАВЛЕНИЕ|ОГЛ|ОГЛАВЛЕНИЕ|СÆРТÆ|СÆРТИМÆ",
    "pl":
        "BEZEDYCJISEKCJI|BEZGALERII|BEZSPISU|SPIS|WYMUŚSPIS|ZESPISEM/INDEKSUJ|KATEGORIAUKRYTA|LINKNOWEJSEKCJI"
        "|NIEINDEKSUJ|POZIOMZABEZPIECZEŃ",
    "ps": "بی‌برخې|بی‌نندارتونه|بی‌نيولک|نيوليک|نيوليکداره/بې_ليکلړ|ليکلړ|پټه_وېشنيزه",
    "pt":
        "FORCARSUMARIO|FORCARTDC|FORÇARSUMÁRIO|FORÇARTDC|NAOEDITARSECAO|NÃOEDITARSEÇÃO|SEMCC|SEMCONVERTERCONTEUDO"
        "|SEMCONVERTERCONTEÚDO|SEMCONVERTERTITULO|SEMCONVERTERTÍTULO|SEMCT|SEMEDITARSECAO|SEMEDITARSEÇÃO"
        "|SEMGALERIA|SEMSUMÁRIO|SEMTDC|SUMARIO|SUMÁRIO|TDC/CATEGORIAOCULTA|CATOCULTA|INDEXAR|LIGACAODENOVASECAO"
        "|LIGAÇÃODENOVASEÇÃO|LINKDENOVASECAO|LINKDENOVASEÇÃO|NAOINDEXAR|NÃOINDEXAR|REDIRECIONAMENTOESTATICO"
        "|REDIRECIONAMENTOESTÁTICO|SEMLIGACAODENOVASECAO|SEMLIGAÇÃODENOVASEÇÃO|SEMLINKDENOVASECAO"
        "|SEMLINKDENOVASEÇÃO",
    "qu":
        "AMARAKITAHUKCHAYCHU|AMASAMIQTAHUKCHAYCHU|AMASUTITAHUKCHAYCHU|FORZARTDC|FORZARTOC|FORZAR_TDC"
        "|NOCONVERTIRCONTENIDO|NOCONVERTIRTITULO|NOCONVERTIRTÍTULO|NOCT|NOEDITARSECCION|NOEDITARSECCIÓN|NOGALERIA"
        "|NOGALERÍA|NOTDC|NO_EDITAR_SECCIÓN|RIKCHASUYUNNAQ|SIN_GALERÍA|SIN_TDC|TDC|YUYARINA|YUYARINANNAQ"
        "|YUYARINATAATIPACHIY/AMAUNANCHAYCHU|CATEGORÍAOCULTA|INDEXAR|NOINDEXAR|PAKASQAKATIGURIYA"
        "|REDIRECCIONESTATICA|REDIRECCIÓNESTÁTICA|TIYAQLLAPUSAPUNA|UNANCHAY",
    "ro":
        "CUPRINS|FARACONVERTIRECONTINUT|FARACONVERTIRETITLU|FARACUPRINS|FARAEDITSECTIUNE|FARAGALERIE|FCC|FCT"
        "|FORTEAZACUPRINS/ASCUNDECAT|FARAINDEX|FARALEGATURASECTIUNENOUA|LEGATURASECTIUNENOUA|REDIRECTIONARESTATICA",
    "ru":
        "БЕЗ_ГАЛЕРЕИ|БЕЗ_ОГЛ|БЕЗ_ОГЛАВЛЕНИЯ|БЕЗ_ПРЕОБРАЗОВАНИЯ_ЗАГОЛОВКА|БЕЗ_ПРЕОБРАЗОВАНИЯ_ТЕКСТА"
        "|БЕЗ_РЕДАКТИРОВАНИЯ_РАЗДЕЛА|ОБЯЗ_ОГЛ|ОБЯЗАТЕЛЬНОЕ_ОГЛАВЛЕНИЕ|ОГЛ|ОГЛАВЛЕНИЕ/БЕЗ_ИНДЕКСА"
        "|БЕЗ_ССЫЛКИ_НА_НОВЫЙ_РАЗДЕЛ|ИНДЕКС|СКРЫТАЯ_КАТЕГОРИЯ|ССЫЛКА_НА_НОВЫЙ_РАЗДЕЛ|СТАТИЧЕСКОЕ_ПЕРЕНАПРАВЛЕНИЕ",
    "sa":
        "अनुक्रमणी|अनुक्रमणी_दर्श्यताम्|अनुक्रमणीसचते|अनुभागसम्पादनं_नास्ति|न_लेखपरिवर्तनम्|न_शीर्षकपरिवर्तितम्"
        "|नैलेप|नैवअनुक्रमणी|नैवलेखपरिवर्त|नैवशिर्षकपरिवर्त|नैवसंक्रमणका|नैवसम्पादनविभाग|नैवानुक्रमणी|नैशिप"
        "|विषयसूची|विषयसूचीहीनः|वीथिकाहीनः/अननुक्रमणी|अनित्यपुनर्निदेशन|अनित्यपुनर्निर्देशनम्|अनुक्रमणिका"
        "|नवीनविभागपरिसन्धिः|निगूहितवर्गः|नूतनविभागसम्बद्धं|नैवअनुक्रमणिका|लुप्तवर्ग",
    "sah":
        "ААТЫН_УЛАРЫППАККА|БЛГ_ИҺН|БУЛГУЧЧУ_ИҺИНЭЭҔИЛЭЭХ|ГАЛЕРЕЯТА_СУОХ|ИҺИНЭЭҔИТЭ|ИҺИНЭЭҔИТЭ_СУОХ|ИҺН|ИҺН_СУОХ"
        "|САЛААНЫ_УЛАРЫППАККА|ТИЭКИҺИН_УЛАРЫППАККА/ИНДЕКС|ИНДЕКСТЭЭМЭ|КИСТЭММИТ_КАТЕГОРИЯ|САҤА_САЛААҔА_СИГЭ"
        "|САҤА_САЛААҔА_СИГЭТЭ_СУОХ|ХАЛБАҤНААБАТ_УТААРЫЫ",
    "sd": "/ لڪل زمرو ",
    "se": "IIGALLERIIJA|IIRIEVDADITOASI|IISIS|IISISDOALLU|SIS|SISDOALLU",
    "sh":
        "BEZCC|BEZGALERIJE|BEZIZMENA|BEZIZMJENA|BEZKN|BEZSADRŽAJA|BEZTC|BEZ_IZMENA|BEZ_IZMJENA|BPN|BPS"
        "|FORSIRANISADRŽAJ|SADRŽAJ|UKLJUČISADRŽAJ/SAKRIVENAKAT|SAKRIVENAKATEGORIJA|SKRIVENAKAT",
    "sk": "BEZGALÉRIE|BEZOBSAHU|NEUPRAVOVAŤSEKCIE|OBSAH|VYNÚTIŤOBSAH/SKRYTÁKAT|SKRYTÁKATEGÓRIA",
    "sl":
        "BREZGALERIJE|BREZKAZALAVSEBINE|BREZUREJANJARAZDELKOV|POGLAVJE|VSILIKAZALOVSEBINE/BREZKAZALA|KAZALO"
        "|SKRITAKATEGORIJA|STATICNAPREUSMERITEV",
    "sq": "JOGALERI|JOREDAKTIMSEKSIONI|JOTP|PAGALERI|PAREDAKTIMPJESE|PATP|TP/KATEGORIEFSHEHUR",
    "sr":
        "BEZCC|BEZGALERIJE|BEZIZMENA|BEZIZMJENA|BEZKN|BEZKS|BEZSADRŽAJA|BEZ_GALERIJE|BEZ_IZMENA|BEZ_IZMJENA"
        "|BEZ_SADRŽAJA|FORSIRANISADRŽAJ|FORSIRANI_SADRŽAJ|PRIMORANISADRŽAJ|PRIMORANI_SADRŽAJ|SADRŽAJ|БЕЗ_ГАЛЕРИЈЕ"
        "|БЕЗ_ИЗМЈЕНА|БЕЗ_ИЗМЕНА|БЕЗ_САДРЖАЈА|БЕЗГАЛЕРИЈЕ|БЕЗИЗМЈЕНА|БЕЗИЗМЕНА|БЕЗКН|БЕЗКС|БЕЗСАДРЖАЈА|БЕЗЦЦ"
        "|ПРИМОРАНИ_САДРЖАЈ|ПРИМОРАНИСАДРЖАЈ|САДРЖАЈ|ФОРСИРАНИ_САДРЖАЈ|ФОРСИРАНИСАДРЖАЈ/BEZINDEKSA"
        "|BEZNOVEVEZEODELJKA|BEZ_INDEKSA|BEZ_NOVE_VEZE_ODELJKA|INDEKS|NOVAVEZAODELJKA|NOVA_VEZA_ODELJKA"
        "|SAKRIVENAKAT|STATIČKOPREUSMERENJE|БЕЗ_ИНДЕКСА|БЕЗ_НОВЕ_ВЕЗЕ_ОДЕЉКА|БЕЗИНДЕКСА|БЕЗНОВЕВЕЗЕОДЕЉКА|ИНДЕКС"
        "|НОВА_ВЕЗА_ОДЕЉКА|НОВАВЕЗАОДЕЉКА|САКРИВЕНАКАТ|СТАТИЧКОПРЕУСМЕРЕЊЕ",
    "srn":
        "FORCEERINHOUD|GEENINHOUD|GEEN_GALERIJ|INHOUD|INHOUD_DWINGEN|INOT|INOTDWENGI|NIETBEWERKBARESECTIE|NOINOT"
        "|NOKENKISKAKI|NOPIKTURAMA",
    "sv":
        "ALLTIDINNEHÅLLSFÖRTECKNING|INGENINNEHÅLLSFÖRTECKNING|INGETGALLERI|INNEHÅLLSFÖRTECKNING"
        "|INTEREDIGERASEKTION/DOLDKAT|INDEXERA|INTEINDEXERA|NYTTAVSNITTLÄNK|STATISKOMDIRIGERING",
    "te": "విషయసూచిక|విషయసూచికవద్దు",
    "tg":
        "БЕ_ВИРОИШИ_ҶУЗЪӢ|БЕ_НИГОРХОНА|БЕ_ТАҒЙИРИ_МАТН|БЕ_ТАҒЙИРИ_САРЛАВҲА|БЕ_ФЕҲРИСТ|БО_ФЕҲРИСТ|ФЕҲРИСТ/БЕ_ИНДЕКС"
        "|БЕ_ПАЙВАНД_БА_ҚИСМАТИ_НАВ|ГУРӮҲИ_ПИНҲОН|ИНДЕКС|ПАЙВАНД_БА_ҚИСМАТИ_НАВ|РАВОНАИ_СТАТИСТИКӢ",
    "th": "ไม่มีสารบัญ|ไม่มีแกลเลอรี่|ไม่มีแก้เฉพาะส่วน",
    "tly": "BEMINDƏRİCOT|MINDƏRİCOT|MƏCBURİYƏ_MINDƏRİCOT",
    "tr":
        "BAŞLIKDÖNÜŞÜMÜYOK|BDY|DEĞİŞTİRYOK|DÜZENLEMEYOK|GALERİYOK|İDY|İÇERİKDÖNÜŞÜMÜYOK|İÇİNDEKİLER|İÇİNDEKİLERYOK"
        "|İÇİNDEKİLERZORUNLU/DİZİN|DİZİNYOK|ENDEKS|ENDEKSYOK|GİZLİKAT|GİZLİKATEGORİ|SABİTYÖNLENDİRME"
        "|STATİKYÖNLENDİRME|YENİBAŞLIKBAĞLANTISI|YENİBAŞLIKBAĞLANTISIYOK",
    "tt":
        "BÜLEMTÖZÄTÜYUQ|ET|ETTIQ|ETYUQ|БАШЛЫКЮК|БЕЗ_ОГЛ|БЕЗ_ОГЛАВЛЕНИЯ|БЕЗ_РЕДАКТИРОВАНИЯ_РАЗДЕЛА|БҮЛЕКҮЗГӘРТҮЮК"
        "|ОБЯЗ_ОГЛ|ОБЯЗАТЕЛЬНОЕ_ОГЛАВЛЕНИЕ|ОГЛ|ОГЛАВЛЕНИЕ|ЭЧТЕЛЕК/БЕЗ_ИНДЕКСА|ИНДЕКССЫЗ",
    "tyv":
        "АЛБАН_ЭГЕ|БЕЗ_ГАЛЕРЕИ|БЕЗ_ОГЛ|БЕЗ_ОГЛАВЛЕНИЯ|БЕЗ_РЕДАКТИРОВАНИЯ_РАЗДЕЛА|ГАЛЕРЕЯ_ЧОК|ДОПЧУ|ОБЯЗ_ОГЛ"
        "|ОБЯЗАТЕЛЬНОЕ_ОГЛАВЛЕНИЕ|ОГЛ|ОГЛАВЛЕНИЕ|ЭГЕ_ЧОК|ҮЛЕГ_ЭДИЛГЕЗИ_ЧОК/АМГЫ_АЙ_1|АМГЫ_АЙ_2|АҢГЫЛАЛ_АРЫННАРЫ"
        "|СКРЫТАЯ_КАТЕГОРИЯ|ЧАЖЫТ_АҢГЫЛАЛ",
    "uk":
        "БЕЗ_ГАЛЕРЕЇ|БЕЗ_ГАЛЕРЕИ|БЕЗ_ЗМІСТУ|БЕЗ_ОГЛ|БЕЗ_ОГЛАВЛЕНИЯ|БЕЗ_ПЕРЕТВОРЕННЯ_ЗАГОЛОВКУ"
        "|БЕЗ_ПЕРЕТВОРЕННЯ_ТЕКСТУ|БЕЗ_ПРЕОБРАЗОВАНИЯ_ЗАГОЛОВКА|БЕЗ_ПРЕОБРАЗОВАНИЯ_ТЕКСТА|БЕЗ_РЕДАГУВ_РОЗДІЛУ"
        "|БЕЗ_РЕДАКТИРОВАНИЯ_РАЗДЕЛА|ЗМІСТ|ОБОВ_ЗМІСТ|ОБЯЗ_ОГЛ|ОБЯЗАТЕЛЬНОЕ_ОГЛАВЛЕНИЕ|ОГЛ|ОГЛАВЛЕНИЕ/ІНДЕКС"
        "|БЕЗ_ІНДЕКСУ|БЕЗ_ИНДЕКСА|БЕЗ_ПОСИЛАННЯ_НА_НОВИЙ_РОЗДІЛ|БЕЗ_ССЫЛКИ_НА_НОВЫЙ_РАЗДЕЛ|ИНДЕКС"
        "|ПОСИЛАННЯ_НА_НОВИЙ_РОЗДІЛ|ПРИХОВ_КАТ|ПРИХОВАНА_КАТЕГОРІЯ|СКРЫТАЯ_КАТЕГОРИЯ|ССЫЛКА_НА_НОВЫЙ_РАЗДЕЛ"
        "|СТАТИЧЕСКОЕ_ПЕРЕНАПРАВЛЕНИЕ|СТАТИЧНЕ_ПЕРЕНАПРАВЛЕННЯ",
    "ur":
        "بافہرست|فہرست|فہرست_نہیں|منتقلی_عنوان_نہیں|منتقلی_مواد_نہیں|ناترمیم_قطعہ|نافہرست|نگارخانہ_نہیں/اشاریہ"
        "|اشاریہ_نہیں|ربط_نیا_قطعہ|ربط_نیا_قطعہ_نہیں|ساکن_رجوع_مکرر|پوشیدہ_زمرہ",
    "uz":
        "GALEREYAYOQ|ICHIDAGILAR|ICHIDAGILARI|ICHIDAGILARMAJBURIY|ICHIDAGILARYOQ|TAHRIRYOQ|TARTIBLASHYOQ/INDEKS"
        "|INDEKSYOQ|YASHIRINTURKUM",
    "vep": "/INDEKS|INDEKSIGA",
    "vi":
        "KHÔNGALBUM|KHÔNGCHUYỂNNỘIDUNG|KHÔNGCHUYỂNTÊN|KHÔNGMỤCLỤC|KHÔNGNÚTSỬAMỤC|KHÔNG_ALBUM|KHÔNG_CHUYỂN_NỘI_DUNG"
        "|KHÔNG_CHUYỂN_TÊN|KHÔNG_MỤC_LỤC|KHÔNG_NÚT_SỬA_MỤC|LUÔNMỤCLỤC|LUÔN_MỤC_LỤC|MỤCLỤC|MỤC_LỤC/CHỈMỤC|CHỈ_MỤC"
        "|KHÔNGCHỈMỤC|KHÔNGLIÊNKẾTMỤCMỚI|KHÔNG_CHỈ_MỤC|KHÔNG_LIÊN_KẾT_MỤC_MỚI|LIÊNKẾTMỤCMỚI|LIÊN_KẾT_MỤC_MỚI"
        "|THỂLOẠIẨN|THỂ_LOẠI_ẨN|ĐỔIHƯỚNGNHẤTĐỊNH|ĐỔI_HƯỚNG_NHẤT_ĐỊNH",
    "yi":
        "אינהאלט|ללא_גלריה|ללא_עריכה|ללא_תוכן|ללא_תוכן_עניינים|נישט_רעדאקטירן|קיין_אינהאלט_טאבעלע|קיין_גאלעריע"
        "|תוכן|תוכן_עניינים/באהאלטענע_קאט|באהאלטענע_קאטעגאריע|קטגוריה_מוסתרת",
    "zh":
        "不轉換內容|不轉換標題|不转换内容|不转换标题|強制目錄|强显目录|无图库|无段落编辑|无目录|无编辑段落|無圖庫"
        "|無段落編輯|無目錄|目录|目錄/新段落链接|无新段落链接|无索引|索引|隐藏分类|隱藏分類|静态重定向"
        "|靜態重新導向",
}  # fmt: skip
# The languages that a language falls back on, where they have words of their own.
_PAIRS = (
    "ab=ru abs=id ace=id aln=sq alt=ru ami=zh an=es anp=hi arn=es arq=ar ary=ar arz=ar ast=es atj=fr av=ru "
    "avk=fr,es,ru awa=hi ay=es azb=fa ba=ru ban=id bar=de bcc=fa bci=fr bgn=fa bjn=id bm=fr bpy=bn bqi=fa btm=id "
    "bug=id bxr=ru ca=oc cdo=zh ce=ru co=it cs=sk csb=pl cv=ru dsb=de egl=it eml=it ext=es fit=fi fon=fr frc=fr "
    "frp=fr frr=de fur=it gag=tr gan=zh gcr=fr gl=pt gld=ru glk=fa gn=es gor=id gsw=de guc=es hak=zh hrx=de "
    "hsb=de hsn=zh ht=fr hyw=hy ii=zh inh=ru io=eo jv=id kaa=kk kab=fr kbp=fr kea=pt khw=ur kiu=tr koi=ru krc=ru "
    "krl=fi ksh=de kum=ru kv=ru lad=es lb=de lbe=ru lez=ru,az li=nl lij=it liv=et lki=fa lld=it lmo=it ln=fr "
    "lrc=fa luz=fa lzh=zh lzz=tr mad=id mai=hi mdf=ru mg=fr mhr=ru min=id mo=ro mrj=ru mwl=pt myv=ru mzn=fa "
    "nah=es nan=zh nap=it nds=de nia=id nn=nb no=nb nrm=fr oc=ca,fr olo=fi os=ru pcd=fr pdc=de pdt=de pfl=de "
    "pms=it pnt=el pwn=zh qu=es qug=qu,es rgn=it rmy=ro rsk=sr rue=uk,ru rup=ro ruq=ro sa=hi sah=ru scn=it "
    "sdc=it sdh=fa se=nb,fi ses=fr sg=fr sgs=lt sh=bs,sr,hr shi=fr sjd=ru sk=cs sli=de smn=fi srn=nl sro=it "
    "stq=de sty=ru su=id szl=pl szy=zh tay=zh tet=pt trv=zh tt=ru ty=fr tyv=ru udm=ru vec=it vep=et vls=nl "
    "vmf=de vmw=pt vot=fi vro=et wa=fr wls=fr wo=fr wuu=zh xal=ru xmf=ka yi=he yue=zh za=zh zea=nl "
)
_FALLBACKS = dict(pair.split("=") for pair in _PAIRS.split())


@functools.lru_cache(maxsize=64)
def switches_of(language: str | None) -> re.Pattern[str]:
    """Matches the switches that a wiki of this language knows; those of all languages where it is None."""
    code = language or ""
    codes = ["en", code, *_FALLBACKS.get(code, "").split(",")] if code else list(_SWITCHES)
    in_any_case: set[str] = set()
    as_they_are: set[str] = set()
    for words in (_SWITCHES.get(code, "") for code in codes):
        any_case, _, exact = words.partition("/")
        in_any_case |= set(filter(None, any_case.split("|")))
        as_they_are |= set(filter(None, exact.split("|")))
    return re.compile(f"__(?:(?i:{_alternation(in_any_case)})|{_alternation(as_they_are)})__")


def _alternation(words: set[str]) -> str:
    return "|".join(map(re.escape, sorted(words)))
